package observe

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/bucket/azureblob/azureblobtest"
	"github.com/rotatord/rotatord/bucket/buckettest"
)

const (
	planetKey    = "PLAKcanaryPlanetKey0123456789"
	azureAccount = "obsaccount"
	adminToken   = "canaryTokenOfTheAdminListener"
	hookSecret   = "a webhook's secret, long enough for all"
)

var azureKey = []byte("canary key of a storage account")

// world is all that rotatord needs, each part speaking HTTP: Planet's simulator
// as a process, buckets, files as secrets, who is told, and who tells.
type world struct {
	t       *testing.T
	program string
	dir     string
	s3      *buckettest.Server
	blobs   *azureblobtest.Server
	planet  string // base URL
	sim     *process
	daemon  *process
	admin   string // "http://127.0.0.1:1234"
	hooks   string // "127.0.0.1:1234"
	config  strings.Builder
	// of rotatord, beside what every process here has
	env, arguments []string
	ids            map[string]string // of destinations, by our names
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, program: build(t), dir: t.TempDir(), s3: buckettest.NewServer(), blobs: azureblobtest.NewServer(), ids: map[string]string{}}
	must(t, w.s3.Start())
	t.Cleanup(w.s3.Close)
	must(t, w.blobs.Start())
	t.Cleanup(w.blobs.Close)
	w.blobs.SetKeys(azureAccount, azureKey)
	w.file("users.json", `[{"name": "owner", "key": "`+planetKey+`", "id": 7, "admin": true}]`)
	// Some requests are answered 429, as where somebody else uses the same key.
	w.sim = start(t, w.program, "simulator", "--listen=127.0.0.1:0", "--users="+filepath.Join(w.dir, "users.json"),
		"--bucket-endpoint=amazon_s3="+w.s3.URL(), "--bucket-endpoint=azure_blob_storage="+w.blobs.URL(),
		"--per-second=30", "--deliver=interval=1s", "--deliver=per-second=30", "--set=reset-optional", "--fault=too-many=0.15", "--seed=6")
	w.planet = w.sim.await(`Planet, simulated, at (\S+)`)

	w.file("key", planetKey+"\n")
	w.file("token", adminToken+"\n")
	w.file("bad-key", "PLAKnobodysKey\n")
	w.file("hook", "whsec_"+base64.StdEncoding.EncodeToString([]byte(hookSecret))+"\n")
	fmt.Fprintf(&w.config, `
[store]
dir = %q
[admin]
listen = "127.0.0.1:0"
token_file = "token"
[log]
format = "json"
[files]
poll = "1s"
settle = "50ms"
[gate]
grace = "1s"
write_back = true
[announce]
expiring_within = "7d"
[[announce.webhook]]
name = "pager"
url = %q
secret_file = "hook"
[[announce.webhook]]
name = "former"
url = %q
secret_file = "hook"
[[announce.webhook]]
name = "deaf"
url = %q
secret_file = "hook"
[webhooks]
listen = "127.0.0.1:0"
[[source.webhook]]
name = "ci"
secret_file = "hook"
announces = ["file://*"]
[[source.sqs]]
name = "lost"
queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/rotatord"
endpoint = %q
[events]
missed_after = "1s"
[[account]]
name = "owner"
api_key_file = "key"
base_url = %q
requests_per_second = 20
jitter_allowance = "0s"
list_interval = "10s"
dependents_interval = "1m"
[[account]]
name = "stranger"
api_key_file = "bad-key"
base_url = %q
[defaults]
schedule = "@every 2s"
schedule_jitter = "0s"
probe_schedule = "@every 2s"
check_schedule = "@every 1s"
leftover_confirm = "1s"
propagation_window = "0s"
`, filepath.Join(w.dir, "store"), w.answers(http.StatusOK), w.answers(http.StatusGone), w.answers(http.StatusForbidden), w.answers(http.StatusForbidden), w.planet, w.planet)
	return w
}

// answers is a server that answers everything alike.
func (w *world) answers(status int) string {
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		rw.WriteHeader(status)
	}))
	w.t.Cleanup(s.Close)
	return s.URL
}

// file writes a file whole, by renaming one into its place.
func (w *world) file(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	must(w.t, os.WriteFile(path+".new", []byte(text), 0o600))
	must(w.t, os.Rename(path+".new", path))
}

// key makes a key of S3 that may do these things in a bucket, and a version of
// a secret from it.
func (w *world) key(id, bucket string, actions ...buckettest.Action) string {
	k := buckettest.Key{ID: keyID(id), Secret: "canarySecretOf" + id, Buckets: []string{bucket}, Allow: actions}
	w.s3.AddKey(k)
	return fmt.Sprintf(`{"aws_access_key_id": %q, "aws_secret_access_key": %q}`, k.ID, k.Secret)
}

// keyID is as long as Amazon's are.
func keyID(id string) string { return ("AKIA" + strings.ToUpper(id) + "XXXXXXXXXXXXXXXX")[:20] }

var all = []buckettest.Action{buckettest.Put, buckettest.Get, buckettest.Delete, buckettest.List}

// s3Destination makes a bucket, a destination, a file with its secret, and its
// part of the configuration. Planet has another key than the secret.
func (w *world) s3Destination(name, secret, lines string) {
	w.t.Helper()
	w.file(name, secret)
	w.s3At(name, w.secret(name), lines)
}

// s3At is the same with a secret that is elsewhere than in a file of its name.
func (w *world) s3At(name, at, lines string) {
	w.t.Helper()
	w.s3.CreateBucket(name)
	var first map[string]string
	must(w.t, json.Unmarshal([]byte(w.key(name+"0", name, all...)), &first))
	w.destination(name, "amazon_s3", at, fmt.Sprintf("bucket_endpoint = %q\n%s", w.s3.URL(), lines), map[string]any{"bucket": name, "aws_region": "us-east-1", "explicit_sse": true,
		"aws_access_key_id": first["aws_access_key_id"], "aws_secret_access_key": first["aws_secret_access_key"]})
}

// sasDestination has a token that ends.
func (w *world) sasDestination(name string, end time.Time) {
	w.t.Helper()
	w.blobs.CreateContainer(azureAccount, name)
	sas := azureblobtest.SAS(azureKey, azureblobtest.Values{Account: azureAccount, Container: name, Permissions: "rwdl", End: end})
	text, err := json.Marshal(map[string]string{"sas_token": sas})
	must(w.t, err)
	w.file(name, string(text))
	w.destination(name, "azure_blob_storage", w.secret(name), fmt.Sprintf("bucket_endpoint = %q\n", w.blobs.URL()),
		map[string]any{"account": azureAccount, "container": name, "sas_token": sas})
}

func (w *world) destination(name, kind, at, lines string, parameters map[string]any) {
	w.t.Helper()
	var made struct {
		ID string `json:"id"`
	}
	w.ask(http.MethodPost, w.planet+"/", map[string]any{"name": name, "type": kind, "parameters": parameters}, &made)
	w.ids[name] = made.ID
	account := "account = \"owner\"\n"
	if strings.Contains(lines, "account =") {
		account = ""
	}
	fmt.Fprintf(&w.config, "[[destination]]\nname = %q\nsecret = %q\n%s%s\n", made.ID, at, account, lines)
}

func (w *world) secret(name string) string { return "file://" + filepath.Join(w.dir, name) }

// delivers orders something, and subscribes to it.
func (w *world) delivers(name string) {
	w.t.Helper()
	api, _ := strings.CutSuffix(w.planet, "/destinations/v1")
	ref := "pl:destinations/" + w.ids[name]
	w.ask(http.MethodPost, api+"/compute/ops/orders/v2", map[string]any{"name": name, "delivery": map[string]any{"destination": map[string]any{"ref": ref}}}, nil)
	w.ask(http.MethodPost, api+"/subscriptions/v1", map[string]any{"name": name, "delivery": map[string]any{"type": "destination", "parameters": map[string]any{"ref": ref}}}, nil)
}

// ask asks Planet, again while it is throttled.
func (w *world) ask(method, url string, body map[string]any, into any) {
	w.t.Helper()
	text, err := json.Marshal(body)
	must(w.t, err)
	until(w.t, method+" "+url, func() bool {
		status, answer := w.send(method, url, text, map[string]string{"Authorization": "api-key " + planetKey, "Content-Type": "application/json"})
		if status == http.StatusTooManyRequests {
			return false
		}
		if status >= http.StatusMultipleChoices {
			w.t.Fatalf("%s %s : %d %s\n%s", method, url, status, answer, w.sim.said())
		}
		if into != nil {
			must(w.t, json.Unmarshal(answer, into))
		}
		return true
	})
}

func (w *world) send(method, url string, body []byte, header map[string]string) (int, []byte) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, url, bytes.NewReader(body))
	must(w.t, err)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	must(w.t, err)
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	must(w.t, err)
	return res.StatusCode, answer
}

// tell sends a message to the webhook, signed or not.
func (w *world) tell(id, body string, sign bool) {
	w.t.Helper()
	now := strconv.FormatInt(time.Now().Unix(), 10)
	header := map[string]string{"webhook-id": id, "webhook-timestamp": now}
	if sign {
		mac := hmac.New(sha256.New, []byte(hookSecret))
		mac.Write([]byte(id + "." + now + "." + body))
		header["webhook-signature"] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	status, answer := w.send(http.MethodPost, "http://"+w.hooks+"/events/ci", []byte(body), header)
	if ok := status < http.StatusMultipleChoices; ok != sign {
		w.t.Fatalf("a message was answered %d: %s", status, answer)
	}
}

// run starts rotatord.
func (w *world) run() {
	w.t.Helper()
	w.start()
	w.hooks = w.daemon.await(`"msg":"listeners are open",.*"webhooks":"([^"]+)"`)
}

func (w *world) start() {
	w.t.Helper()
	w.file("rotatord.toml", w.config.String())
	w.daemon = startWith(w.t, w.env, w.program, append([]string{"run", "--config=" + filepath.Join(w.dir, "rotatord.toml")}, w.arguments...)...)
	w.admin = w.daemon.await(`"msg":"listeners are open","admin":"([^"]+)"`)
	until(w.t, "rotatord is ready", func() bool {
		status, _ := w.send(http.MethodGet, w.admin+"/readyz", nil, nil)
		return status == http.StatusOK
	})
}

// shows tells whether /metrics has a line.
func (w *world) shows(line string) bool {
	w.t.Helper()
	_, text := w.send(http.MethodGet, w.admin+"/metrics", nil, nil)
	return strings.Contains(string(text), "\n"+line+"\n")
}

// awaitState waits until a destination is in a state.
func (w *world) awaitState(name, state string) {
	w.t.Helper()
	until(w.t, name+" is "+state, func() bool {
		return w.shows(fmt.Sprintf(`rotatord_destination_state{destination=%q,state=%q} 1`, w.ids[name], state))
	})
}
