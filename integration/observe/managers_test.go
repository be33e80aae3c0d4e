package observe

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"syscall"
	"time"

	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/providers/aws/awstest"
	"github.com/rotatord/rotatord/providers/vault/vaulttest"
)

// managers are secret managers, for what files can't tell: when a secret is to
// be rotated, when a version ends, that a rotation has failed, that a mark is
// not allowed.
type managers struct {
	amazon *awstest.Server
	arn    string
}

const (
	amazonKeyID  = "AKIAROTATORDTESTTEST"
	amazonSecret = "canarySecretOfRotatordItself"
	vaultToken   = "canaryTokenOfRotatordItself"
)

func (w *world) managers() *managers {
	t := w.t
	t.Helper()
	m := &managers{amazon: awstest.New(awstest.Options{Keys: []awstest.Key{{ID: amazonKeyID, Secret: amazonSecret}}})}
	server := httptest.NewServer(m.amazon)
	vault := vaulttest.New()
	vault.StartTLS()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		vault.Close()
	})
	vault.Token(vaultToken, 0)
	vault.Mount("", "secret", 2)
	w.file("vault.pem", string(certificate(vault.Certificate().Raw)))
	w.env = append(w.env, "AWS_ACCESS_KEY_ID="+amazonKeyID, "AWS_SECRET_ACCESS_KEY="+amazonSecret, "VAULT_TOKEN="+vaultToken)
	fmt.Fprintf(&w.config, "[aws]\nendpoint = %q\n[vault]\naddress = %q\nca_file = \"vault.pem\"\n[tracing]\nendpoint = %q\n", server.URL, vault.URL(), w.answers(http.StatusForbidden))

	m.arn, _ = m.amazon.Create("planet/observed", awstest.Text(w.key("amazon1", "amazon", all...)))
	m.amazon.SetNextRotation(m.arn, time.Now().Add(30*24*time.Hour))
	m.amazon.Deny(m.arn, "UpdateSecretVersionStage")
	w.s3At("amazon", m.arn, "")
	vault.Put("secret", "observed", w.key("vault1", "vault", all...))
	vault.Settings("secret", "observed", 5, 20*24*time.Hour, nil)
	vault.Put("secret", "observed", w.key("vault2", "vault", all...))
	w.s3At("vault", "vault://secret/observed", "")
	return m
}

// rotate makes the change that no event tells of, and has a rotation fail.
func (m *managers) rotate(w *world) {
	w.t.Helper()
	m.amazon.Put(m.arn, awstest.Text(w.key("amazon2", "amazon", all...)))
	until(w.t, "the schedule has found it", func() bool {
		return w.shows(fmt.Sprintf(`rotatord_attempts_total{destination=%q,outcome="accepted",reason="none"} 2`, w.ids["amazon"])) // since the reload one
	})
	now := time.Now().UTC().Format(time.RFC3339)
	w.tell("msg-5", fmt.Sprintf(`{"detail-type":"AWS Service Event via CloudTrail","source":"aws.secretsmanager","time":%q,
"detail":{"eventName":"RotationFailed","eventTime":%q,"additionalEventData":{"SecretId":%q}}}`, now, now, m.arn), true)
}

// reload has rotatord read its configuration anew.
func (w *world) reload() {
	w.t.Helper()
	must(w.t, w.daemon.command.Process.Signal(syscall.SIGHUP))
	until(w.t, "the configuration was read anew", func() bool { return w.shows(`rotatord_config_reloads_total{result="success"} 1`) })
	until(w.t, "rotatord is ready again", func() bool {
		status, _ := w.send(http.MethodGet, w.admin+"/readyz", nil, nil)
		return status == http.StatusOK
	})
}

// keepsVersions lets a bucket keep what is overwritten.
func (w *world) keepsVersions(bucket string) { w.s3.SetVersioning(bucket, true) }

// looker is a setting: a credential of rotatord's own that sees more of a bucket.
func (w *world) looker(bucket string) string {
	w.file("looker", w.key("looker", bucket, buckettest.Get, buckettest.List, buckettest.ListVersions))
	return fmt.Sprintf("probe_secret = %q\n", w.secret("looker"))
}
