package observe

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/providers/aws/awstest"
	"github.com/rotatord/rotatord/providers/azure/azuretest"
	"github.com/rotatord/rotatord/providers/google/googletest"
	"github.com/rotatord/rotatord/providers/vault/vaulttest"
	"github.com/rotatord/rotatord/watcher/sqs/sqstest"
)

// leaky is a world full of secrets of every kind that rotatord handles.
type leaky struct {
	t *testing.T
	*world
	*hunter
	amazon  *awstest.Server
	queue   *sqstest.Queue
	google  *googletest.Server
	azure   *azuretest.Server
	vault   *vaulttest.Server
	planted []string // files that hold secrets because the test has put them there

	mu  sync.Mutex
	out map[string][]byte // what was sent to others, by where
	// ids of destinations that Planet and a proxy answer about by quoting
	quoted, broken string
}

// invent makes a secret that looks like Amazon's, with all that is written
// differently somewhere.
func (l *leaky) invent(what string) string {
	l.t.Helper()
	random := make([]byte, 24)
	_, _ = rand.Read(random) // never fails
	text := base64.RawStdEncoding.EncodeToString(random)
	return l.knows(what, "c/"+text[:8]+"+&"+text[8:20]+"<"+text[20:]+"=")
}

// plain is one without any character that is special somewhere.
func (l *leaky) plain(what string) string {
	l.t.Helper()
	return l.knows(what, rand.Text()+rand.Text()[:10])
}

// plant writes a file that holds a secret.
func (l *leaky) plant(name, text string) string {
	l.t.Helper()
	l.file(name, text)
	l.planted = append(l.planted, filepath.Join(l.dir, name))
	return filepath.Join(l.dir, name)
}

// heard is a server that keeps all that it is sent.
func (l *leaky) heard(where string, status int) string {
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			if z, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
				body, _ = io.ReadAll(z)
			}
		}
		l.keep(where, body)
		rw.WriteHeader(status)
	}))
	l.t.Cleanup(s.Close)
	return s.URL
}

func (l *leaky) keep(where string, text []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out[where] = append(append(l.out[where], text...), '\n')
}

func (l *leaky) kept(where string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.out[where])
}

// s3Key makes a key that works in a bucket, with an invented secret.
func (l *leaky) s3Key(what, bucket string) string {
	k := buckettest.Key{ID: "AKIA" + rand.Text()[:16], Secret: l.invent(what), Buckets: []string{bucket}, Allow: all}
	l.s3.AddKey(k)
	text, err := json.Marshal(map[string]string{"aws_access_key_id": k.ID, "aws_secret_access_key": k.Secret})
	must(l.t, err)
	return string(text)
}

// kept destinations have their secret elsewhere than in a file; put puts a value
// there and gives its name.
func (l *leaky) of(name, secret, lines string) {
	l.t.Helper()
	l.s3.CreateBucket(name)
	var first map[string]string
	must(l.t, json.Unmarshal([]byte(l.s3Key("the first key of "+name, name)), &first))
	first["bucket"], first["aws_region"] = name, "us-east-1"
	parameters := map[string]any{}
	for k, v := range first {
		parameters[k] = v
	}
	var made struct {
		ID string `json:"id"`
	}
	l.ask(http.MethodPost, l.planet+"/", map[string]any{"name": name, "type": "amazon_s3", "parameters": parameters}, &made)
	l.ids[name] = made.ID
	fmt.Fprintf(&l.config, "[[destination]]\nname = %q\nsecret = %q\naccount = \"owner\"\nbucket_endpoint = %q\n%s\n", made.ID, secret, l.s3.URL(), lines)
}

// file puts a value of a secret into a file, whatever it is.
func (l *leaky) inFile(name, value, lines string) {
	l.plant(name, value)
	l.of(name, l.secret(name), lines)
}

func newLeaky(t *testing.T) *leaky {
	t.Helper()
	l := &leaky{t: t, world: newWorld(t), hunter: newHunter(t), out: map[string][]byte{}, vault: vaulttest.New()}
	for _, name := range []string{"users.json", "key", "bad-key", "hook", "token"} {
		l.planted = append(l.planted, filepath.Join(l.dir, name))
	}
	l.knows("Planet's key", planetKey)
	l.knows("the admin listener's token", adminToken)
	l.knows("a webhook's secret", hookSecret)
	l.knows("the storage account's key", string(azureKey))
	l.servers()
	planet := l.echoing()
	text := l.config.String()
	l.config.Reset()
	l.config.WriteString(strings.ReplaceAll(text, l.planet, planet))
	return l
}

// servers are the secret managers, each with a credential of rotatord's own.
func (l *leaky) servers() {
	l.t.Helper()
	own := awstest.Key{ID: "AKIAROTATORDTESTTEST", Secret: l.invent("rotatord's own key of Amazon")}
	l.amazon = awstest.New(awstest.Options{Keys: []awstest.Key{own}})
	queues := sqstest.New(sqstest.Options{Keys: []sqstest.Key{{ID: own.ID, Secret: own.Secret}}})
	l.queue = queues.Queue("rotatord")
	secrets, sqs := httptest.NewServer(l.amazon), httptest.NewServer(queues)
	l.t.Cleanup(func() {
		for _, s := range []*httptest.Server{secrets, sqs} {
			s.CloseClientConnections()
			s.Close()
		}
	})

	l.google = googletest.New(googletest.Options{})
	must(l.t, l.google.Start())
	l.t.Cleanup(l.google.Close)
	key, err := l.google.KeyFile("rotatord@my-project.iam.gserviceaccount.com")
	must(l.t, err)
	l.knows("rotatord's own key of Google", privateKey(l.t, key))
	googleKey := l.plant("google.json", string(key))

	client := azuretest.App{ID: "11111111-2222-4333-8444-555555555555", Secret: l.invent("rotatord's own secret of Azure")}
	l.azure = azuretest.New(azuretest.Options{Apps: []azuretest.App{client}})
	must(l.t, l.azure.Start())
	l.t.Cleanup(l.azure.Close)

	l.vault.StartTLS()
	l.t.Cleanup(l.vault.Close)
	token := l.plain("the token of Vault")
	l.vault.Token(token, 0)
	roots := l.plant("roots.pem", "")
	must(l.t, os.WriteFile(roots, slices.Concat(l.google.Roots(), l.azure.Roots(), certificate(l.vault.Certificate().Raw)), 0o600))

	slack := l.knows("Slack's address", "T0"+rand.Text()+rand.Text())
	l.plant("slack", l.heard("Slack", http.StatusOK)+"/services/"+slack)
	headers := l.plant("headers", "Authorization: Bearer "+l.plain("the collector's token")+"\n")
	wide := l.heard("a webhook", http.StatusOK) + "/hook?token=" + l.plain("the token in a webhook's address")
	l.plant("wide", wide)
	l.env = append(l.env, "AWS_ACCESS_KEY_ID="+own.ID, "AWS_SECRET_ACCESS_KEY="+own.Secret, "GOOGLE_APPLICATION_CREDENTIALS="+googleKey,
		"AZURE_TENANT_ID="+azuretest.DefaultTenant, "AZURE_CLIENT_ID="+client.ID, "AZURE_CLIENT_SECRET="+client.Secret, "VAULT_TOKEN="+token,
		"HTTPS_PROXY="+l.gate(), "SSL_CERT_FILE="+roots,
		"UNRELATED="+l.plain("a variable that is none of rotatord's"), "TMPDIR="+l.dir)
	fmt.Fprintf(&l.config, `
[aws]
endpoint = %q
[google]
endpoint = %q
[vault]
address = %q
[tracing]
endpoint = %q
headers_file = %q
every_look = true
[[source.sqs]]
name = "queue"
queue = %q
endpoint = %q
[[announce.webhook]]
name = "wide"
url_file = "wide"
secret_file = "hook"
[[announce.slack]]
name = "chat"
url_file = "slack"
`, secrets.URL, l.google.Address(), l.vault.URL(), l.heard("the collector of traces", http.StatusOK), headers, l.queue.URL(), sqs.URL)
}

// gate is the way to what has a name of Azure's.
func (l *leaky) gate() string {
	s := httptest.NewServer(l.azure.Proxy())
	l.t.Cleanup(s.Close)
	return s.URL
}

// echoing is Planet, but for two destinations whose PATCH it refuses with an
// answer that quotes all it was sent, as a careless server may.
func (l *leaky) echoing() string {
	at, err := url.Parse(l.planet)
	must(l.t, err)
	behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: at.Scheme, Host: at.Host})
	behind.Transport = &http.Transport{DisableKeepAlives: true}
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		quoted, broken := strings.HasSuffix(r.URL.Path, "/"+l.quoted), strings.HasSuffix(r.URL.Path, "/"+l.broken)
		l.mu.Unlock()
		if r.Method != http.MethodPatch || !quoted && !broken {
			behind.ServeHTTP(rw, r)
			return
		}
		body, _ := io.ReadAll(r.Body)
		var sent struct {
			Parameters map[string]string `json:"parameters"`
		}
		_ = json.Unmarshal(body, &sent)
		key := sent.Parameters["aws_secret_access_key"]
		said := fmt.Sprintf("the credential %s (%q) in %s does not work, nor does %s, with %s", key, key, body, url.QueryEscape(key), r.Header.Get("Authorization"))
		l.keep("times that Planet has quoted", []byte("x"))
		if broken {
			rw.Header().Set("Content-Type", "text/html")
			rw.WriteHeader(http.StatusBadGateway)
			_, _ = fmt.Fprintf(rw, "<html><body>%s</body></html>", said)
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(rw).Encode(map[string]any{"code": 400, "message": said, "general": []any{map[string]string{"message": said}}, "field": map[string]any{"parameters": []any{map[string]string{"message": said}}}})
	}))
	l.t.Cleanup(s.Close)
	return s.URL + at.Path
}

// spoil are values that nobody can use, each with a secret in it.
func (l *leaky) spoil() map[string]string {
	return map[string]string{
		"cut-short":   `{"aws_access_key_id": "AKIAXXXXXXXXXXXXXXXX", "aws_secret_access_key": "` + l.plain("a value that is cut short"),
		"bare":        l.invent("a value that is no JSON"),
		"other-names": `{"user": "AKIAXXXXXXXXXXXXXXXX", "password": "` + l.plain("a value under another name") + `"}`,
		"as-a-name":   `{"` + l.plain("a value that stands where a name should") + `": 1}`,
		"a-list":      `["` + l.plain("a value in a list") + `"]`,
		"a-number":    `{"aws_access_key_id": "AKIAXXXXXXXXXXXXXXXX", "aws_secret_access_key": 4` + strings.Repeat("1", 30) + `, "note": "` + l.plain("a value beside a number") + `"}`,
		"two-lines":   `{"aws_access_key_id": "AKIAXXXXXXXXXXXXXXXX", "aws_secret_access_key": "` + l.plain("a value with a line break") + `\nmore"}`,
		"swapped":     `{"aws_access_key_id": "` + l.invent("a key in the place of its id") + `", "aws_secret_access_key": "AKIAXXXXXXXXXXXXXXXX"}`,
		"ini":         "[default]\naws_secret_access_key = " + l.plain("a value in a file of profiles"),
		"not-text":    "\xff\xfe" + l.plain("a value that is no text"),
	}
}

// verb runs one of rotatord's verbs, and looks through what it says.
func (l *leaky) verb(arguments ...string) string {
	l.t.Helper()
	return l.verbWith(filepath.Join(l.dir, "rotatord.toml"), nil, arguments...)
}

func (l *leaky) verbWith(config string, env []string, arguments ...string) string {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, l.program, append(arguments, "--log-level=debug", "--config="+config)...)
	command.Env = append(append(environment(l.t), l.env...), env...)
	command.Dir = l.dir
	said, err := command.CombinedOutput()
	if ctx.Err() != nil {
		l.t.Fatalf("rotatord %s: %v", strings.Join(arguments, " "), err)
	}
	where := "rotatord " + strings.Join(arguments, " ") + " with " + filepath.Base(config)
	if len(said) == 0 && arguments[0] != "health" {
		l.t.Errorf("%s says nothing", where)
	}
	l.search(where, said)
	return string(said)
}

// page asks the admin listener, or the socket, and looks through the answer.
func (l *leaky) page(method, path string, header map[string]string, body string) string {
	l.t.Helper()
	base, by := l.admin, http.RoundTripper(&http.Transport{DisableKeepAlives: true})
	if strings.HasPrefix(path, "/v1/") {
		base, by = "http://rotatord", l.socket()
	}
	req, err := http.NewRequestWithContext(l.t.Context(), method, base+path, strings.NewReader(body))
	must(l.t, err)
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := by.RoundTrip(req)
	must(l.t, err)
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	must(l.t, err)
	l.search(method+" "+path, answer)
	l.search("the header of "+method+" "+path, fmt.Append(nil, res.Header))
	return string(answer)
}

func TestNoSecretGetsOutOfTheWholeDaemon(t *testing.T) {
	t.Parallel()
	l := newLeaky(t)
	l.inFile("rotating", l.s3Key("rotating", "rotating"), "")
	l.inFile("quoted", l.s3Key("a key that Planet quotes", "quoted"), "")
	l.inFile("broken", l.s3Key("a key that a proxy quotes", "broken"), "")
	l.mu.Lock()
	l.quoted, l.broken = l.ids["quoted"], l.ids["broken"]
	l.mu.Unlock()
	l.inFile("revoked", l.s3Key("a key that the bucket does not know", "revoked"), "")
	arn, _ := l.amazon.Create("planet/amazon", awstest.Text(l.s3Key("a key in Secrets Manager of Amazon", "amazon")))
	l.of("amazon", arn, "")
	const inGoogle = "projects/my-project/secrets/planet"
	l.google.Create(inGoogle, []byte(l.s3Key("a key in Secret Manager of Google", "google")))
	l.of("google", inGoogle, "")
	l.azure.Set(azuretest.DefaultVault, "planet", l.s3Key("a key in Key Vault", "azure"), azuretest.Attributes{})
	l.of("azure", "https://"+azuretest.DefaultVault+"/secrets/planet", "")
	l.vault.Mount("", "secret", 2)
	l.vault.Put("secret", "planet", l.s3Key("a key in Vault", "vault"))
	l.of("vault", "vault://secret/planet", "")
	l.sasDestination("ending", time.Now().Add(3*24*time.Hour))
	l.planted = append(l.planted, filepath.Join(l.dir, "ending"))
	sas, err := os.ReadFile(filepath.Join(l.dir, "ending"))
	must(t, err)
	var token map[string]string
	must(t, json.Unmarshal(sas, &token))
	signed, err := url.ParseQuery(strings.TrimPrefix(token["sas_token"], "?"))
	must(t, err)
	l.knows("the signature of a SAS", signed.Get("sig"))
	spoiled := l.spoil()
	for name, value := range spoiled {
		l.inFile(name, value, "")
	}
	l.delivers("rotating")

	l.arguments = []string{"--log-level=debug"}
	l.run()
	for _, name := range []string{"rotating", "revoked", "amazon", "google", "azure", "vault", "ending"} {
		l.awaitState(name, "in_sync")
	}
	for name := range spoiled {
		l.awaitState(name, "held")
	}
	l.happen(arn)
	l.look()
	l.err()
	l.daemon.stop()
	l.after()
}

// happen drives everything that says something.
func (l *leaky) happen(arn string) {
	l.t.Helper()
	l.s3.Revoke(keyOf(l.t, filepath.Join(l.dir, "revoked")))
	l.plant("rotating", l.s3Key("the next key of rotating", "rotating"))
	l.amazon.Put(arn, awstest.Text(l.s3Key("the next key in Secrets Manager", "amazon")))
	l.google.Add("projects/my-project/secrets/planet", []byte(l.s3Key("the next key in Secret Manager", "google")))
	l.azure.Set(azuretest.DefaultVault, "planet", l.s3Key("the next key in Key Vault", "azure"), azuretest.Attributes{})
	l.vault.Put("secret", "planet", l.s3Key("the next key in Vault", "vault"))
	// Messages of people who put into them what does not belong there.
	l.queue.Put("junk "+l.invent("what a message holds"), nil)
	l.queue.Put(fmt.Sprintf(`{"secret": %q, "value": %q}`, arn, l.invent("a value in a message")), nil)
	l.tell("msg-1", fmt.Sprintf(`{"secret": %q}`, l.secret("rotating")), true)
	l.tell("msg-2", fmt.Sprintf(`{"secret": %q, "password": %q}`, l.secret("rotating"), l.invent("a value in a webhook's message")), true)
	l.tell("msg-3", "not JSON but "+l.invent("what a webhook's message holds"), true)
	l.tell("msg-4", "{}", false)
	for name, is := range map[string]string{"quoted": "held", "revoked": "in_sync", "amazon": "in_sync", "google": "in_sync", "azure": "in_sync", "vault": "in_sync"} {
		l.awaitState(name, is)
	}
	until(l.t, "Planet has quoted, and others were told", func() bool {
		return l.kept("times that Planet has quoted") > 2 && l.kept("Slack") > 0 && l.kept("a webhook") > 0 && l.kept("the collector of traces") > 0
	})
	l.amazon.Deny(arn, "GetSecretValue", "DescribeSecret", "UpdateSecretVersionStage")
	l.vault.RevokeAll()
	l.google.Fail(3, 13)
}

// look asks for all that there is to be read, and does all that may be done.
func (l *leaky) look() {
	l.t.Helper()
	for _, path := range []string{"/", "/healthz", "/readyz", "/metrics", "/api/openapi.json", "/api/v1/status", "/api/v1/history?limit=10000", "/api/v1/receipts", "/api/v1/sources",
		"/api/v1/version", "/api/v1/gate?secret=" + url.QueryEscape(l.secret("rotating")), "/v1/status", "/v1/history?limit=10000", "/v1/destinations", "/nowhere"} {
		l.page(http.MethodGet, path, nil, "")
		l.page(http.MethodGet, path, map[string]string{"Accept": "application/openmetrics-text; version=1.0.0"}, "")
	}
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Authorization": "Bearer " + adminToken}
	wrong := map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Authorization": "Bearer " + l.plain("a wrong token")}
	for name, id := range l.ids {
		l.page(http.MethodGet, "/destinations/"+url.PathEscape(id), nil, "")
		if name == "ending" {
			l.page(http.MethodPost, "/actions/sync", wrong, "destination="+url.QueryEscape(id))
		}
		for _, action := range []string{"sync", "retry"} {
			l.page(http.MethodPost, "/actions/"+action, form, "destination="+url.QueryEscape(id))
		}
		for _, path := range []string{"/v1/plan", "/v1/check", "/v1/sync", "/v1/push"} {
			l.page(http.MethodPost, path, nil, fmt.Sprintf(`{"destinations": [%q]}`, id))
		}
	}
	one := l.ids["quoted"]
	for _, arguments := range [][]string{{"status"}, {"status", "--output=json"}, {"status", one}, {"history"}, {"history", one, "--output=json"}, {"check"}, {"check", "--output=json"},
		{"sync", "--dry-run"}, {"gate", "--secret=" + l.secret("rotating")}, {"events", "list"}, {"events", "test", "--wait=5s"}, {"dependents"}, {"destinations", "list"},
		{"destinations", "get", one}, {"push", "--destination", one}, {"sync", one}, {"retry", one}, {"pause", one, "--note=because"}, {"resume", one}, {"health"}, {"version"}} {
		l.verb(arguments...)
	}
}

// err lets operators err: secrets stand where they should not, in configurations
// that are wrong by that or are taken nevertheless.
func (l *leaky) err() {
	l.t.Helper()
	folder := filepath.Join(l.dir, "wrong")
	must(l.t, os.MkdirAll(folder, 0o700))
	base := fmt.Sprintf("[store]\ndir = %q\n[admin]\nlisten = \"\"\n", filepath.Join(folder, "store"))
	account := fmt.Sprintf("[[account]]\napi_key_file = %q\nbase_url = %q\n", filepath.Join(l.dir, "key"), l.planet)
	destination := fmt.Sprintf("[[destination]]\nname = %q\nsecret = %q\n", l.ids["rotating"], l.secret("rotating"))
	for name, c := range map[string]struct {
		config string
		env    []string
	}{
		"a-key-inline":        {config: base + fmt.Sprintf("[[account]]\napi_key = %q\nbase_url = %q\n", l.plain("a key that stands in the file"), l.planet) + destination},
		"a-wrong-key":         {config: base + account + "password = \"" + l.plain("a value under a key that is none") + "\"\n" + destination},
		"a-wrong-table":       {config: base + account + destination + "[credentials]\naws_secret_access_key = \"" + l.plain("a value in a table that is none") + "\"\n"},
		"an-open-quote":       {config: base + "[[account]]\napi_key = \"" + l.plain("a value whose quote is open") + "\n" + destination},
		"no-quotes":           {config: base + "[[account]]\napi_key = " + l.plain("a value without quotes") + "\n" + destination},
		"a-wrong-type":        {config: base + account + "requests_per_second = \"" + l.plain("a value of a wrong type") + "\"\n" + destination},
		"twice":               {config: base + "[[account]]\napi_key = \"" + l.plain("a value that is there twice") + "\"\napi_key = \"" + l.plain("the second value") + "\"\n"},
		"a-variable":          {config: base + "[[account]]\napi_key_env = \"" + l.lower("a value for the name of a variable") + "\"\n" + destination},
		"a-variable-value":    {config: base + "[[account]]\napi_key_env = \"PLANET\"\n" + destination, env: []string{"PLANET=two words " + l.plain("a variable that can't be a key")}},
		"a-short-token":       {config: strings.Replace(base, "listen = \"\"", "listen = \"127.0.0.1:0\"\ntoken_env = \"TOKEN\"", 1) + account + destination, env: []string{"TOKEN=" + l.plain("a token with a line break") + "\n"}},
		"a-url-with-userinfo": {config: base + fmt.Sprintf("[[account]]\napi_key_file = %q\nbase_url = \"https://me:%s@api.planet.com/destinations/v1\"\n", filepath.Join(l.dir, "key"), l.plain("a password in a URL")) + destination},
		"a-bucket-userinfo":   {config: base + account + destination + fmt.Sprintf("bucket_endpoint = \"https://me:%s@127.0.0.1:1\"\n", l.plain("a password in a bucket's address"))},
		"an-odd-url":          {config: base + account + destination + fmt.Sprintf("bucket_endpoint = \"https://me:%s@127.0.0.1:port\"\n", l.plain("a password in what is no URL"))},
		"a-vault-userinfo":    {config: base + account + destination + fmt.Sprintf("[vault]\naddress = \"https://me:%s@127.0.0.1:1\"\n", l.plain("a password in Vault's address"))},
		"a-trace-userinfo":    {config: base + account + destination + fmt.Sprintf("[tracing]\nendpoint = \"https://me:%s@127.0.0.1:1\"\n", l.plain("a password in the collector's address"))},
		"a-webhook-userinfo":  {config: base + account + destination + fmt.Sprintf("[[announce.webhook]]\nurl = \"https://me:%s@127.0.0.1:1/\"\nsecret_env = \"HOOK\"\n", l.plain("a password in a webhook's address")), env: []string{"HOOK=" + l.plain("a webhook's secret that is none")}},
		"a-webhook-query":     {config: base + account + destination + fmt.Sprintf("[[announce.webhook]]\nurl = \"https://127.0.0.1:1/?token=%s\"\nsecret_file = %q\n", l.plain("a token in a webhook's address"), filepath.Join(l.dir, "hook"))},
		"a-queue-userinfo":    {config: base + account + destination + fmt.Sprintf("[[source.sqs]]\nqueue = \"https://me:%s@sqs.eu-central-1.amazonaws.com/123456789012/q\"\n", l.plain("a password in a queue's address"))},
		"a-proxy-userinfo":    {config: base + fmt.Sprintf("[[account]]\napi_key_file = %q\nbase_url = \"https://api.planet.test/destinations/v1\"\n", filepath.Join(l.dir, "key")) + destination, env: []string{"HTTPS_PROXY=http://me:" + l.plain("a proxy's password") + "@127.0.0.1:1"}},
		"an-odd-proxy":        {config: base + fmt.Sprintf("[[account]]\napi_key_file = %q\nbase_url = \"https://api.planet.test/destinations/v1\"\n", filepath.Join(l.dir, "key")) + destination, env: []string{"HTTPS_PROXY=http://me:" + l.plain("the password of a proxy that is no URL") + "@127.0.0.1:port"}},
		"a-value-for-a-name":  {config: base + account + fmt.Sprintf("[[destination]]\nname = %q\nsecret = '{\"aws_secret_access_key\": \"%s\"}'\n", l.ids["rotating"], l.plain("a value in the place of a secret's name"))},
		"a-value-in-a-map":    {config: base + account + destination + "map = { aws_secret_access_key = \"" + l.plain("a value in the place of a pointer") + "\" }\n"},
		"a-secret-userinfo":   {config: base + account + fmt.Sprintf("[[destination]]\nname = %q\nsecret = \"https://me:%s@my-vault.vault.azure.net/secrets/x\"\n", l.ids["rotating"], l.plain("a password in a secret's name"))},
		"a-vault-token":       {config: base + account + fmt.Sprintf("[[destination]]\nname = %q\nsecret = \"vault://me:%s@secret/planet\"\n", l.ids["rotating"], l.plain("a password in the name of Vault's secret"))},
		"a-key-as-a-key":      {config: base + "[[account]]\n" + l.plain("a value in the place of a key") + " = true\n" + destination},
		"json":                {config: `{"api_key": "` + l.plain("a value in a file of another kind") + `"}`},
		"the-secret-itself":   {config: l.s3Key("a secret in the place of the configuration", "rotating")},
		"only-a-key":          {config: l.invent("a key in the place of the configuration")},
		"a-file-for-a-key":    {config: base + fmt.Sprintf("[[account]]\napi_key_file = %q\nbase_url = %q\n", l.plant("key-of-two-lines", "one\n"+l.plain("a file that can't be a key")+"\n"), l.planet) + destination},
	} {
		path := l.plant(filepath.Join("wrong", name+".toml"), c.config)
		if strings.Contains(l.verbWith(path, c.env, "check"), "DESTINATION") { // it is taken
			l.verbWith(path, c.env, "sync", "--dry-run")
			l.verbWith(path, c.env, "status", "--output=json")
		}
	}
}

// after looks through what is left: what the daemon said in all its life, what
// others were sent, and every file.
func (l *leaky) after() {
	l.t.Helper()
	said := l.daemon.said()
	if !strings.Contains(said, `"level":"DEBUG"`) {
		l.t.Error("the daemon did not log all that it can")
	}
	l.search("the log", []byte(said))
	for where, text := range l.out {
		l.search("what was sent to "+where, text)
	}
	own := map[string]bool{}
	for _, path := range l.planted {
		own[path] = true
	}
	if files := l.searchFiles(l.dir, func(path string) bool { return own[path] }); files < 3 {
		l.t.Errorf("only %d files were looked through", files)
	}
	l.t.Logf("%d writings of secrets looked for in %d places, %d kB", len(l.prey), l.places, l.searched>>10)
}

// lower is one in small letters.
func (l *leaky) lower(what string) string { return l.knows(what, strings.ToLower(rand.Text())) }

func keyOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path) //nolint:gosec // the test's own
	must(t, err)
	var k map[string]string
	must(t, json.Unmarshal(text, &k))
	return k["aws_access_key_id"]
}

// privateKey is the secret of a service account's key, on one line.
func privateKey(t *testing.T, file []byte) string {
	t.Helper()
	var k map[string]string
	must(t, json.Unmarshal(file, &k))
	block, _ := pem.Decode([]byte(k["private_key"]))
	if block == nil {
		t.Fatal("the key of a service account is no PEM")
	}
	return string(block.Bytes)
}

func certificate(raw []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
}
