package azuretest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// token is what a bearer token stands for.
type token struct {
	app, tenant, audience string
	expires               time.Time
}

// audienceOf is whom a token for a vault is meant for.
func audienceOf(host string) string {
	_, domain, _ := strings.Cut(host, ".")
	return "https://" + domain
}

// bearer tells whose token came with a request, and why it is not good.
func (s *Server) bearer(r *http.Request, host string) (token, *refusal) {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return token{}, unauthorized("AKV10000: Request is missing a Bearer or PoP token.")
	}
	t, ok := s.tokens[text]
	switch {
	case !ok:
		return token{}, unauthorized("AKV10001: Error validating token: the signature is not valid.")
	case !time.Now().Before(t.expires):
		return token{}, unauthorized("[TokenExpired] Error validating token: S2S12086.")
	case t.audience != audienceOf(host):
		return token{}, unauthorized("AKV10022: Invalid audience. Expected " + audienceOf(host) + ", found: " + t.audience + ".")
	case t.tenant != s.options.Tenant:
		return token{}, unauthorized("AKV10032: Invalid issuer. Expected one of https://sts.windows.net/" + s.options.Tenant + "/, found https://sts.windows.net/" + t.tenant + "/.")
	}
	return t, nil
}

func unauthorized(message string) *refusal {
	return &refusal{401, "Unauthorized", "", message}
}

// give makes a token.
func (s *Server) give(app, tenant, audience string) string {
	s.made++
	text := fmt.Sprintf("access-token-%d-of-%s", s.made, app)
	s.tokens[text] = token{app: app, tenant: tenant, audience: audience, expires: time.Now().Add(s.options.TokenLife)}
	return text
}

// identity is Entra and the metadata service.
func (s *Server) identity(r *http.Request, host string, body []byte, no *refusal, note *Request) (any, *refusal) {
	if host == metadata {
		note.Action = "machine"
		if no != nil {
			return nil, no
		}
		return s.machine(r, note)
	}
	path := strings.Trim(r.URL.Path, "/")
	tenant, rest, _ := strings.Cut(path, "/")
	switch {
	case path == "common/discovery/instance":
		note.Action = "discovery"
		if no != nil {
			return nil, no
		}
		return map[string]any{"tenant_discovery_endpoint": "https://" + Entra + "/" + s.options.Tenant + "/v2.0/.well-known/openid-configuration", "api-version": "1.1",
			"metadata": []any{map[string]any{"preferred_network": Entra, "preferred_cache": Entra, "aliases": []string{Entra}}}}, nil
	case rest == "v2.0/.well-known/openid-configuration":
		note.Action, note.Tenant = "discovery", tenant
		if no != nil {
			return nil, no
		}
		if !s.hasTenant(tenant) {
			return nil, noTenant(tenant)
		}
		at := "https://" + Entra + "/" + tenant
		return map[string]any{"issuer": at + "/v2.0", "authorization_endpoint": at + "/oauth2/v2.0/authorize", "token_endpoint": at + "/oauth2/v2.0/token"}, nil
	case rest == "oauth2/v2.0/token" && r.Method == http.MethodPost:
		note.Action, note.Tenant = "token", tenant
		if no != nil {
			return nil, no
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, &refusal{400, "invalid_request", "", "AADSTS900144: The request body is not a form."}
		}
		return s.token(tenant, form, note)
	}
	return nil, &refusal{404, "not_found", "", ""}
}

func (s *Server) hasTenant(tenant string) bool {
	for _, a := range s.apps {
		if a.Tenant == tenant {
			return true
		}
	}
	return tenant == s.options.Tenant
}

func noTenant(tenant string) *refusal {
	return &refusal{400, "invalid_tenant", "", "AADSTS90002: Tenant '" + tenant + "' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."}
}

// token is the client credentials grant.
func (s *Server) token(tenant string, form url.Values, note *Request) (any, *refusal) {
	app, ok := s.apps[form.Get("client_id")]
	switch {
	case !s.hasTenant(tenant):
		return nil, noTenant(tenant)
	case form.Get("grant_type") != "client_credentials":
		return nil, &refusal{400, "unsupported_grant_type", "", "AADSTS70003: The app requested an unsupported grant type."}
	case !ok || app.Tenant != tenant:
		return nil, &refusal{400, "unauthorized_client", "", "AADSTS700016: Application with identifier '" + form.Get("client_id") + "' was not found in the directory '" + tenant + "'."}
	}
	note.App = app.ID
	if assertion := form.Get("client_assertion"); assertion != "" {
		if app.Federated == "" || assertion != app.Federated || form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			return nil, &refusal{401, "invalid_client", "", "AADSTS700213: No matching federated identity record found for presented assertion subject."}
		}
	} else if app.Secret == "" || form.Get("client_secret") != app.Secret {
		return nil, &refusal{401, "invalid_client", "", "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, " +
			"not the client secret ID, for a secret added to app '" + app.ID + "'."}
	}
	audience := ""
	for _, scope := range strings.Fields(form.Get("scope")) {
		if of, ok := strings.CutSuffix(scope, "/.default"); ok {
			audience = of
		}
	}
	if audience == "" {
		return nil, &refusal{400, "invalid_scope", "", "AADSTS1002012: The provided value for scope is not valid."}
	}
	life := int(s.options.TokenLife.Seconds())
	return map[string]any{"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": s.give(app.ID, tenant, audience)}, nil
}

// machine is the instance metadata service.
func (s *Server) machine(r *http.Request, note *Request) (any, *refusal) {
	q := r.URL.Query()
	switch {
	case r.Header.Get("Metadata") != "true":
		return nil, &refusal{400, "bad_request_102", "", "Required metadata header not specified"}
	case q.Get("client_id") != "" && q.Get("client_id") != s.options.Machine:
		return nil, &refusal{400, "invalid_request", "", "Identity not found"}
	}
	note.App = s.options.Machine
	audience := strings.TrimSuffix(q.Get("resource"), "/")
	life := s.options.TokenLife
	return map[string]any{"token_type": "Bearer", "resource": audience, "client_id": s.options.Machine,
		"expires_in": fmt.Sprint(int(life.Seconds())), "expires_on": fmt.Sprint(time.Now().Add(life).Unix()),
		"access_token": s.give(s.options.Machine, s.options.Tenant, audience)}, nil
}
