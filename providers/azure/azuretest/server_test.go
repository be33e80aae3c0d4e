package azuretest_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/providers/azure/azuretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const vault = azuretest.DefaultVault

var app = azuretest.App{ID: "app", Secret: "app-secret", Federated: "app.federated"}

// asker asks a server without the SDK.
type asker struct {
	*testing.T
	http.RoundTripper
	token string
}

func ask(t *testing.T, s *azuretest.Server) *asker { return &asker{t, s.RoundTripper(), ""} }

// do gives status, challenge and answer.
func (a *asker) do(method, address string, body url.Values) (int, string, map[string]any) {
	a.Helper()
	r, err := http.NewRequestWithContext(a.Context(), method, address, strings.NewReader(body.Encode()))
	if err != nil {
		a.Fatal(err)
	}
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := a.RoundTrip(r)
	if err != nil {
		a.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		a.Fatal(err)
	}
	out := map[string]any{}
	if err := json.Unmarshal(b, &out); err != nil {
		a.Fatalf("%s: %v", address, err)
	}
	return resp.StatusCode, resp.Header.Get("WWW-Authenticate"), out
}

func (a *asker) signIn(scope string) {
	a.Helper()
	status, _, out := a.do(http.MethodPost, "https://"+azuretest.Entra+"/"+azuretest.DefaultTenant+"/oauth2/v2.0/token",
		url.Values{"grant_type": {"client_credentials"}, "client_id": {app.ID}, "client_secret": {app.Secret}, "scope": {scope}})
	if status != http.StatusOK {
		a.Fatalf("no token: %v", out)
	}
	a.token = out["access_token"].(string)
}

func (a *asker) get(path string) (int, map[string]any) {
	a.Helper()
	status, _, out := a.do(http.MethodGet, "https://"+vault+path+"?api-version=7.4", nil)
	return status, out
}

func codes(out map[string]any) string {
	e, _ := out["error"].(map[string]any)
	inner, _ := e["innererror"].(map[string]any)
	return strings.Trim(fmt.Sprint(e["code"], "/", inner["code"]), "/")
}

func TestATokenIsAskedForAndChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := azuretest.New(azuretest.Options{Apps: []azuretest.App{app}, TokenLife: time.Minute})
		s.Set(vault, "planet", "x", azuretest.Attributes{})
		a := ask(t, s)
		status, challenge, _ := a.do(http.MethodGet, "https://"+vault+"/secrets/planet?api-version=7.4", nil)
		want := `Bearer authorization="https://login.microsoftonline.com/` + azuretest.DefaultTenant + `", resource="https://vault.azure.net"`
		if status != http.StatusUnauthorized || challenge != want {
			t.Errorf("status %d, challenge %s", status, challenge)
		}
		expect := func(what string, want int) {
			t.Helper()
			if status, out := a.get("/secrets/planet"); status != want {
				t.Errorf("%s: status %d: %v", what, status, out["error"])
			}
		}
		a.token = "made-up"
		expect("a token that nobody gave", 401)
		a.signIn("https://management.azure.com/.default")
		expect("a token for somebody else", 401)
		a.signIn("https://vault.azure.net/.default openid")
		expect("a token", 200)
		time.Sleep(time.Minute)
		expect("a token that has expired", 401)
		a.signIn("https://vault.azure.net/.default")
		s.RevokeTokens()
		expect("a token that was revoked", 401)
	})
}

func TestEntraRefuses(t *testing.T) {
	s := azuretest.New(azuretest.Options{Apps: []azuretest.App{app, {ID: "stranger", Secret: "x", Tenant: "elsewhere"}, {ID: "bare"}}})
	for _, c := range []struct {
		name, tenant string
		form         url.Values
		want         string
	}{
		{"a wrong secret", azuretest.DefaultTenant, url.Values{"client_id": {"app"}, "client_secret": {"wrong"}}, "AADSTS7000215"},
		{"no secret", azuretest.DefaultTenant, url.Values{"client_id": {"bare"}, "client_secret": {""}}, "AADSTS7000215"},
		{"a wrong assertion", azuretest.DefaultTenant, url.Values{"client_id": {"app"}, "client_assertion": {"wrong"}}, "AADSTS700213"},
		{"an unknown application", azuretest.DefaultTenant, url.Values{"client_id": {"none"}}, "AADSTS700016"},
		{"an application of another tenant", azuretest.DefaultTenant, url.Values{"client_id": {"stranger"}, "client_secret": {"x"}}, "AADSTS700016"},
		{"an unknown tenant", "nowhere", url.Values{"client_id": {"app"}}, "AADSTS90002"},
		{"no scope", azuretest.DefaultTenant, url.Values{"client_id": {"app"}, "client_secret": {app.Secret}}, "AADSTS1002012"},
		{"another grant", azuretest.DefaultTenant, url.Values{"grant_type": {"password"}}, "AADSTS70003"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.form.Get("grant_type") == "" {
				c.form.Set("grant_type", "client_credentials")
			}
			status, _, out := ask(t, s).do(http.MethodPost, "https://"+azuretest.Entra+"/"+c.tenant+"/oauth2/v2.0/token", c.form)
			if said := fmt.Sprint(out["error_description"]); status < 400 || !strings.HasPrefix(said, c.want+":") {
				t.Errorf("status %d: %s", status, said)
			}
		})
	}
}

func TestVersions(t *testing.T) {
	s := azuretest.New(azuretest.Options{Apps: []azuretest.App{app}, PageSize: 2})
	a := ask(t, s)
	a.signIn("https://vault.azure.net/.default")
	var ids []string
	for i := range 5 {
		ids = append(ids, s.SetAt(vault, "Planet", fmt.Sprint("value ", i), azuretest.Attributes{}, time.Unix(int64(1000+i), 0)))
	}
	if status, out := a.get("/secrets/planet"); status != 200 || out["value"] != "value 4" || out["id"] != "https://"+vault+"/secrets/Planet/"+ids[4] {
		t.Errorf("the newest: %d", status)
	}
	if status, out := a.get("/secrets/PLANET/" + ids[1]); status != 200 || out["value"] != "value 1" {
		t.Errorf("an old one: %d", status)
	}
	seen := map[string]bool{}
	pages := 0
	for next := "https://" + vault + "/secrets/planet/versions?api-version=7.4"; next != ""; pages++ {
		_, _, out := a.do(http.MethodGet, next, nil)
		for _, item := range out["value"].([]any) {
			i := item.(map[string]any)
			if _, shown := i["value"]; shown {
				t.Error("a list shows a value")
			}
			seen[i["id"].(string)] = true
		}
		next, _ = out["nextLink"].(string)
	}
	if pages != 3 || len(seen) != 5 {
		t.Errorf("%d versions on %d pages", len(seen), pages)
	}

	expect := func(path string, want int, code string) {
		t.Helper()
		if status, out := a.get(path); status != want || codes(out) != code {
			t.Errorf("%s: status %d, %s", path, status, codes(out))
		}
	}
	s.Change(vault, "planet", ids[4], azuretest.Attributes{Disabled: true})
	expect("/secrets/planet", 403, "Forbidden/SecretDisabled")
	expect("/secrets/planet/"+ids[4], 403, "Forbidden/SecretDisabled")
	expect("/secrets/planet/0", 404, "SecretNotFound/<nil>")
	expect("/secrets/none/versions", 404, "SecretNotFound/<nil>")
	expect("/keys/planet", 400, "BadParameter/<nil>")
	s.Deny(vault, "planet", azuretest.ByRole, "get")
	expect("/secrets/planet", 403, "Forbidden/ForbiddenByRbac")
	s.Deny(vault, "planet", azuretest.ByPolicy, "list")
	expect("/secrets/planet/versions", 403, "Forbidden/ForbiddenByPolicy")
	s.Deny(vault, "planet", azuretest.ByAccessPolicy, "list")
	expect("/secrets/planet/versions", 403, "Forbidden/AccessDenied")
	s.Allow(vault, "planet")
	s.SetFirewall(azuretest.NotYou)
	expect("/secrets/planet", 403, "Forbidden/ForbiddenByFirewall")
	s.SetFirewall(azuretest.PrivateLinks)
	expect("/secrets/planet", 403, "Forbidden/ForbiddenByConnection")
	s.SetFirewall(azuretest.Open)
	s.Delete(vault, "planet")
	expect("/secrets/planet/versions", 404, "SecretNotFound/<nil>")
	s.Recover(vault, "planet")
	expect("/secrets/planet/"+ids[0], 200, "<nil>/<nil>")
	s.Purge(vault, "planet")
	expect("/secrets/planet", 404, "SecretNotFound/<nil>")
}

func TestOverTheNetwork(t *testing.T) {
	s := azuretest.New(azuretest.Options{Machine: "machine"})
	if s.Transport() != nil || s.Address() != "" {
		t.Error("it is reachable before it has started")
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Start() == nil {
		t.Error("it starts twice")
	}
	c := http.Client{Transport: s.Transport()}
	for address, want := range map[string]string{
		"https://" + vault + "/secrets/x?api-version=7.4":                   "401",
		"https://" + azuretest.Entra + "/common/discovery/instance":         "200",
		"http://169.254.169.254/metadata/identity/oauth2/token":             "400",
		"https://none.vault.azure.net/secrets/x?api-version=7.4":            "no such host",
		"https://login.microsoftonline.us/common/discovery/instance":        "no such host",
		"https://" + azuretest.Entra + "/" + azuretest.DefaultTenant + "/x": "404",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		resp, err := c.Do(r)
		if err != nil {
			got = err.Error()
		} else {
			got = fmt.Sprint(resp.StatusCode)
			_ = resp.Body.Close()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	if _, err := (&tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12, ServerName: vault}}).DialContext(t.Context(), "tcp", s.Address()); err == nil {
		t.Error("its certificate is trusted by everybody")
	}
}
