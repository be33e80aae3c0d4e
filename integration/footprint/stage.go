package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2/sas"

	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/integration/internal/nodeserver"
	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/providers/aws/awstest"
	"github.com/rotatord/rotatord/providers/azure/azuretest"
	"github.com/rotatord/rotatord/providers/google/googletest"
	"github.com/rotatord/rotatord/providers/vault/vaulttest"
	"github.com/rotatord/rotatord/watcher/sqs/sqstest"
)

// destinations is how many there are: ten secrets each in files, AWS Secrets
// Manager, Google Secret Manager, Azure Key Vault and Vault.
const destinations = 50

const (
	apiKey       = "PLAKfootprint"
	amazonKey    = "AKIAROTATORDTESTTEST"
	amazonSecret = "footprintfootprint"
	account      = "rotatord"
	accountKey   = "Zm9vdHByaW50Zm9vdHByaW50Zm9vdHByaW50Zm9vdHByaW50Zm9vdHByaW50Zm9vdHByaW50Zm9vdHByaW50Zm9vdHA="
	busKey       = "footprintfootprintfootprintfootprintfootpr="
	subscription = "projects/footprint/subscriptions/rotatord"
	topic        = "projects/footprint/topics/rotatord"
)

// stage is everything around the daemon.
type stage struct {
	dir    string
	closer []func() error // in the order in which they were opened

	bucket  *buckettest.Server
	planet  string // URLs
	store   string
	amazon  *awstest.Server
	secrets string
	vault   *vaulttest.Server
	gsm     *googletest.Server
	keys    *azuretest.Server
	proxy   string // the way to the Key Vault, whose names are Azure's own
	sqs     string
	queue   string
	pubsub  string
	storage string // the queue
	config  string // all of [[destination]]
}

func newStage(repository, dir string) (s *stage, err error) {
	s = &stage{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	s.bucket = buckettest.NewServer()
	sim, err := planettest.New(planettest.Options{
		Users:    []planettest.User{{Name: "owner", Key: apiKey, ID: 7}},
		Verifier: app.Verifier(app.BucketKinds(s.bucket.RoundTripper()), ""), Seed: 1, Quota: 100, PerSecond: 50,
	})
	if err != nil {
		return nil, err
	}
	s.planet, s.store = s.serve(sim), s.serve(s.bucket)
	s.amazon = awstest.New(awstest.Options{Keys: []awstest.Key{{ID: amazonKey, Secret: amazonSecret}}})
	s.secrets = s.serve(s.amazon)
	s.vault = vaulttest.New()
	s.vault.StartTLS()
	s.closer = append(s.closer, func() error { s.vault.Close(); return nil })
	queues := sqstest.New(sqstest.Options{Keys: []sqstest.Key{{ID: amazonKey, Secret: amazonSecret}}})
	s.sqs, s.queue = s.serve(queues), queues.Queue("rotatord").URL()
	if err := errors.Join(s.google(), s.azure(repository), s.managers()); err != nil {
		return nil, err
	}
	roots := slices.Concat(s.gsm.Roots(), s.keys.Roots(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.vault.Certificate().Raw}))
	for name, text := range map[string]string{"roots.pem": string(roots), "api-key": apiKey, "hook": "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("h", 32))), "grid": "footprintgrid1234567890"} {
		if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return s, s.seed(sim)
}

func (s *stage) path(name string) string { return filepath.Join(s.dir, name) }

func (s *stage) serve(h http.Handler) string {
	server := httptest.NewServer(h)
	s.closer = append(s.closer, func() error { server.CloseClientConnections(); server.Close(); return nil })
	return server.URL
}

func (s *stage) close() error {
	var errs []error
	for i := len(s.closer) - 1; i >= 0; i-- {
		errs = append(errs, s.closer[i]())
	}
	return errors.Join(errs...)
}

// google starts Google's own fake of Pub/Sub.
func (s *stage) google() error {
	fake := pstest.NewServer()
	s.closer = append(s.closer, fake.Close)
	s.pubsub = fake.Addr
	ctx := context.Background()
	if _, err := fake.GServer.CreateTopic(ctx, &pubsubpb.Topic{Name: topic}); err != nil {
		return err
	}
	_, err := fake.GServer.CreateSubscription(ctx, &pubsubpb.Subscription{Name: subscription, Topic: topic, AckDeadlineSeconds: 10})
	return err
}

// azure starts Azurite and a Service Bus.
func (s *stage) azure(repository string) error {
	modules, err := nodeserver.Modules(repository)
	if err != nil {
		return err
	}
	azurite, address, err := nodeserver.Azurite(repository, "queue", modules, s.dir, account, accountKey)
	if err != nil {
		return err
	}
	s.closer = append(s.closer, azurite.End)
	s.storage = address + "/" + account + "/rotatord"
	keys, err := azqueue.NewSharedKeyCredential(account, accountKey)
	if err != nil {
		return err
	}
	owner, err := azqueue.NewQueueClientWithSharedKeyCredential(s.storage, keys, nil)
	if err != nil {
		return err
	}
	ctx := context.Background()
	if _, err := owner.Create(ctx, nil); err != nil {
		return err
	}
	if _, err := owner.SetAccessPolicy(ctx, &azqueue.SetAccessPolicyOptions{QueueACL: []*azqueue.SignedIdentifier{{ID: to.Ptr("rotatord"),
		AccessPolicy: &azqueue.AccessPolicy{Permission: to.Ptr("rpu"), Start: to.Ptr(time.Now().Add(-time.Hour)), Expiry: to.Ptr(time.Now().Add(24 * time.Hour))}}}}); err != nil {
		return err
	}
	p, err := sas.QueueSignatureValues{QueueName: "rotatord", Identifier: "rotatord", Protocol: sas.ProtocolHTTPSandHTTP}.SignWithSharedKey(keys)
	if err != nil {
		return err
	}
	bus, err := nodeserver.Start(nodeserver.Options{Repository: repository, Modules: modules, Dir: s.dir, Program: "servicebus.js",
		Arguments: []string{"listener", busKey, "token"}})
	if err != nil {
		return err
	}
	s.closer = append(s.closer, bus.End)
	var hello struct{ Port int }
	line, err := bus.Line()
	if err == nil {
		err = json.Unmarshal([]byte(line), &hello)
	}
	if err != nil {
		return err
	}
	if err := bus.Send([]byte(`{"op":"create","path":"rotatord"}`)); err != nil {
		return err
	}
	if _, err := bus.Line(); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(s.path("storage"), []byte("QueueEndpoint="+address+"/"+account+";SharedAccessSignature="+p.Encode()), 0o600),
		os.WriteFile(s.path("bus"), fmt.Appendf(nil, "Endpoint=sb://127.0.0.1:%d;SharedAccessKeyName=listener;SharedAccessKey=%s;UseDevelopmentEmulator=true", hello.Port, busKey), 0o600))
}

// seed makes the destinations and the secrets behind them.
func (s *stage) seed(sim *planettest.Simulator) error {
	var b strings.Builder
	for i := range destinations {
		name := fmt.Sprintf("dest-%02d", i)
		id, secret := fmt.Sprintf("AKIA%016d", i), fmt.Sprintf("secret%034d", i)
		s.bucket.CreateBucket(name)
		s.bucket.AddKey(buckettest.Key{ID: id, Secret: secret, Buckets: []string{name}, Allow: []buckettest.Action{buckettest.Put, buckettest.Get, buckettest.Delete}})
		value := fmt.Sprintf(`{"access_key_id":%q,"secret_access_key":%q}`, id, secret)
		var at string
		switch i % 5 {
		case 0:
			at = "file://" + s.path(name)
			if err := os.WriteFile(s.path(name), []byte(value), 0o600); err != nil {
				return err
			}
		case 1:
			at, _ = s.amazon.Create("planet/"+name, awstest.Text(value))
		case 2:
			at = "projects/my-project/secrets/" + name
			s.gsm.Create(at, []byte(value))
		case 3:
			at = "https://" + azuretest.DefaultVault + "/secrets/" + name
			s.keys.Set(azuretest.DefaultVault, name, value, azuretest.Attributes{})
		default:
			s.vault.Put("secret", "planet/"+name, value)
			at = "vault://secret/planet/" + name
		}
		known := sim.Seed("owner", planettest.Destination{Name: name, Type: "s3_compatible", Parameters: map[string]any{
			"bucket": name, "region": "us-east-1", "endpoint": s.store, "use_path_style": true, "access_key_id": id, "secret_access_key": secret}})
		fmt.Fprintf(&b, "[[destination]]\nname = %q\nsecret = %q\n", known, at)
	}
	s.config = b.String()
	return nil
}

// configure writes the configuration: every interval is as it is by default.
func (s *stage) configure(admin, hooks string) (string, error) {
	text := fmt.Sprintf(`[store]
dir = %q
[admin]
listen = %q
[[account]]
name = "planet"
api_key_file = %q
base_url = "%s/destinations/v1"
requests_per_second = 50
[aws]
endpoint = %q
[google]
endpoint = %q
[vault]
address = %q
[[source.sqs]]
queue = %q
endpoint = %q
[[source.pubsub]]
subscription = %q
[[source.storage_queue]]
queue = %q
connection_string_file = %q
[[source.service_bus]]
queue = "rotatord"
connection_string_file = %q
[webhooks]
listen = %q
[[source.event_grid]]
key_file = %q
[[source.pubsub_push]]
audience = "https://rotatord.example.com/push"
service_account = "push@footprint.iam.gserviceaccount.com"
[[source.sns]]
topics = ["arn:aws:sns:eu-central-1:123456789012:secrets"]
[[source.webhook]]
secret_file = %q
`, s.path("store"), admin, s.path("api-key"), s.planet, s.secrets, s.gsm.Address(), s.vault.URL(), s.queue, s.sqs, subscription,
		s.storage, s.path("storage"), s.path("bus"), hooks, s.path("grid"), s.path("hook"))
	file := s.path("rotatord.toml")
	return file, os.WriteFile(file, []byte(text+s.config), 0o600)
}

func (s *stage) environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + s.dir, "AWS_ACCESS_KEY_ID=" + amazonKey, "AWS_SECRET_ACCESS_KEY=" + amazonSecret, "AWS_EC2_METADATA_DISABLED=true",
		"GOOGLE_APPLICATION_CREDENTIALS=" + s.path("google.json"), "AZURE_TENANT_ID=" + azuretest.DefaultTenant, "AZURE_CLIENT_ID=" + azureApp.ID, "AZURE_CLIENT_SECRET=" + azureApp.Secret,
		"HTTPS_PROXY=" + s.proxy, "SSL_CERT_FILE=" + s.path("roots.pem"), "VAULT_TOKEN=root", "PUBSUB_EMULATOR_HOST=" + s.pubsub}
}
