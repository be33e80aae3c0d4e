package azure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

// operation is a request by both of its permissions.
type operation struct {
	action string // in a role
	policy string // in an access policy
}

var (
	opList = operation{"Microsoft.KeyVault/vaults/secrets/readMetadata/action", "List"}
	opGet  = operation{"Microsoft.KeyVault/vaults/secrets/getSecret/action", "Get"}
	opTag  = operation{"Microsoft.KeyVault/vaults/secrets/update/action", "Set"}
)

const (
	hintChain = "credentials are looked for in: environment variables (AZURE_TENANT_ID, AZURE_CLIENT_ID and a secret or certificate), " +
		"workload identity, managed identity, Azure CLI, Azure Developer CLI, Azure PowerShell"
	hintNotFound = "check the vault and the name; a deleted secret comes back with \"az keyvault secret recover\""
	hintBetween  = "does something stand between rotatord and Azure? check DNS and the proxy"
)

// problem is a providers.Error before it knows what was asked and of which
// secret.
type problem struct {
	reason providers.Reason
	hint   string
	err    error
	// chain says that our own credentials are at fault, so that the chain is to be
	// built anew.
	chain bool
	// byRole and byPolicy say which model of access a permission is missing in.
	byRole, byPolicy bool
}

func (p *problem) Error() string { return p.err.Error() }

func (p *problem) Unwrap() error { return p.err }

func asError(op string, s credential.Secret, err error) error {
	var p *problem
	if !errors.As(err, &p) {
		p = &problem{reason: providers.ReasonUnavailable, err: errors.New("something unforeseen went wrong")}
	}
	return &providers.Error{Op: op, Secret: s, Reason: p.reason, Hint: p.hint, Err: p.err}
}

// misplaced is for answers that can't be right.
func misplaced(what string) error {
	return &problem{reason: providers.ReasonUnavailable, err: errors.New(what), hint: hintBetween}
}

// unmade is for a chain that can't even be put together. The SDK's text may
// quote what it has read.
func unmade() error {
	return &problem{reason: providers.ReasonDenied, err: errors.New("the Azure credentials can't be used"),
		hint: "check AZURE_TOKEN_CREDENTIALS and AZURE_AUTHORITY_HOST; " + hintChain}
}

// refusal is what Azure said, and all that is kept of it.
type refusal struct {
	status               int
	code, inner, message string
	request              string
}

func (r *refusal) Error() string {
	var b strings.Builder
	b.WriteString(r.code)
	if r.inner != "" {
		b.WriteString("/" + r.inner)
	}
	if r.message != "" {
		b.WriteString(": " + r.message)
	}
	if r.request != "" {
		b.WriteString(" (request id " + r.request + ")")
	}
	return b.String()
}

// refusalOf takes a vault's words out of its answer; they may be empty.
func refusalOf(resp *http.Response) *refusal {
	r := &refusal{status: resp.StatusCode, request: plain(resp.Header.Get("X-Ms-Request-Id"), 64)}
	body, err := runtime.Payload(resp)
	if err != nil {
		return r
	}
	var said struct {
		Error struct {
			Code, Message string
			InnerError    struct{ Code string }
		}
	}
	if json.Unmarshal(body, &said) == nil {
		r.code, r.inner, r.message = plain(said.Error.Code, 100), plain(said.Error.InnerError.Code, 100), plain(said.Error.Message, 600)
	}
	return r
}

// plain is text that can stand in a line of a log, of bounded length.
func plain(s string, most int) string {
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// because says why a request failed.
func (p *Provider) because(ctx context.Context, n name, op operation, err error) *problem {
	why := explain(ctx, n, op, err)
	if why.chain {
		p.forget()
	}
	return why
}

func explain(ctx context.Context, n name, op operation, err error) *problem {
	if ended := ended(ctx, err); ended != nil {
		return ended
	}
	var u *unlinked
	if errors.As(err, &u) {
		return ofCredentials(u)
	}
	var answered *azcore.ResponseError
	if errors.As(err, &answered) && answered.RawResponse != nil {
		return ofRefusal(refusalOf(answered.RawResponse), n, op)
	}
	p := &problem{reason: providers.ReasonUnavailable, err: errors.New(unheard(err))}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		p.hint = "does the vault " + n.host + " exist? check its name and DNS; a private endpoint needs its private DNS zone here"
	case strings.Contains(err.Error(), "challenge resource"):
		p.err, p.hint = errors.New("the answer asks for a token that is meant for somebody else"), hintBetween
	case errors.Is(err, errElsewhere), errors.Is(err, errChallenge):
		p.hint = hintBetween
	}
	return p
}

// ended is for calls whose context has ended.
func ended(ctx context.Context, err error) *problem {
	cause := providers.GivenUp(ctx, err)
	if cause == nil {
		return nil
	}
	return &problem{reason: providers.ReasonUnavailable, err: cause}
}

func ofRefusal(r *refusal, n name, op operation) *problem {
	p := &problem{reason: providers.ReasonUnavailable, err: r}
	switch {
	case r.status == http.StatusTooManyRequests:
		p.reason = providers.ReasonThrottled
		if r.code == "" {
			p.err = errors.New("too many requests")
		}
	case r.status >= http.StatusInternalServerError && r.code == "", r.code == "" && r.status != http.StatusUnauthorized:
		p.err, p.hint = fmt.Errorf("the answer with status %d can't be read", r.status), hintBetween
	case r.status >= http.StatusInternalServerError:
	case r.status == http.StatusUnauthorized:
		p.reason, p.chain = providers.ReasonDenied, true
		p.hint = "the vault does not accept rotatord's token: its identity has to be in the vault's tenant, and the clock right"
		if r.code == "" {
			p.err = errors.New("unauthorized")
		}
	case r.status == http.StatusForbidden:
		ofForbidden(p, r, n, op)
	case r.status == http.StatusNotFound:
		p.reason, p.hint = providers.ReasonNotFound, hintNotFound
	case r.status == http.StatusConflict:
		p.reason, p.hint = providers.ReasonDisabled, "it is being deleted or recovered"
	case r.status == http.StatusBadRequest:
		p.reason, p.hint = providers.ReasonInvalid, howToFind
	default:
		p.hint = hintBetween
	}
	return p
}

// ofForbidden tells who it is that forbids.
func ofForbidden(p *problem, r *refusal, n name, op operation) {
	p.reason = providers.ReasonDenied
	role := `assign the role "Key Vault Secrets User" on the vault or the secret (` + op.action + ")"
	access := "allow the secret permissions Get and List in the vault's access policy (" + op.policy + " is missing)"
	if op == opTag {
		role = "assign a role of your own with the data action " + op.action + " on the vault or the secret"
		access = "allow the secret permission Set in the vault's access policy"
	}
	switch r.inner {
	case "SecretDisabled":
		p.reason, p.hint = providers.ReasonDisabled, "this version is disabled"
	case "ForbiddenByFirewall":
		p.hint = "let the network that rotatord asks from through the firewall of " + n.host
	case "ForbiddenByConnection":
		p.hint = n.host + " can be reached by private endpoints only: does its name resolve to one here?"
	case "ForbiddenByRbac":
		p.byRole, p.hint = true, role
	case "AccessDenied", "ForbiddenByPolicy":
		p.byPolicy, p.hint = true, access
	default:
		p.byRole, p.byPolicy = true, true
		p.hint = "with role-based access: " + role + "; with access policies: " + access
	}
}

// entraCodes are how Entra names an error: "AADSTS7000215".
var entraCodes = regexp.MustCompile(`AADSTS[0-9]{3,8}`)

// ofCredentials is for requests that were not made for want of a token. None of
// the SDK's texts is shown: some quote the answer of whoever gives tokens.
func ofCredentials(u *unlinked) *problem {
	p := &problem{reason: providers.ReasonDenied, err: errors.New("no credentials were found"), hint: hintChain, chain: true}
	var failed *azidentity.AuthenticationFailedError
	switch {
	case !errors.As(u.err, &failed):
		// Nobody had anything to try with, or the tenant is not ours to ask.
		if strings.Contains(u.err.Error(), "AdditionallyAllowedTenants") {
			ofTenant(p, u)
		}
	case failed.RawResponse != nil:
		ofToken(p, failed.RawResponse)
	case u.heard != nil:
		p.reason, p.chain = providers.ReasonUnavailable, false
		p.err = errors.New("no token: " + unheard(u.heard))
		p.hint = "can Entra be reached from here? check DNS, the proxy, and AZURE_AUTHORITY_HOST"
	case strings.Contains(failed.Error(), "AdditionallyAllowedTenants"):
		ofTenant(p, u)
	default:
		p.err = errors.New("the credentials that were found give no token")
		p.hint = "check the files and variables they come from; " + hintChain
	}
	return p
}

func ofTenant(p *problem, u *unlinked) {
	p.err = fmt.Errorf("the vault is in tenant %s, and rotatord's identity in another", plain(u.tenant, 64))
	p.hint = "use an identity of the vault's tenant, or name that tenant in AZURE_ADDITIONALLY_ALLOWED_TENANTS"
}

// ofToken is for a token service that refuses. Of its text only the number is
// shown, which stands for it in Microsoft's own documentation.
func ofToken(p *problem, resp *http.Response) {
	body, _ := runtime.Payload(resp) //nolint:bodyclose // it has been read by the SDK
	code := entraCodes.FindString(string(body))
	if code == "" {
		code = fmt.Sprintf("status %d", resp.StatusCode)
	}
	p.err = fmt.Errorf("no token: Entra refuses with %s", code)
	p.hint = hintsOfEntra[code]
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		p.reason, p.chain = providers.ReasonThrottled, false
	case resp.StatusCode >= http.StatusInternalServerError, resp.StatusCode < http.StatusBadRequest:
		p.reason, p.chain = providers.ReasonUnavailable, false
	case p.hint == "":
		p.hint = "look the code up at https://login.microsoftonline.com/error; " + hintChain
	}
}

// hintsOfEntra are for the errors that rotatord's own set-up is likely to cause.
var hintsOfEntra = map[string]string{
	"AADSTS7000215": "the client secret is wrong: AZURE_CLIENT_SECRET takes its value, not its id",
	"AADSTS7000222": "the client secret has expired: make a new one",
	"AADSTS700016":  "there is no such application in that tenant: check AZURE_CLIENT_ID and AZURE_TENANT_ID",
	"AADSTS90002":   "there is no such tenant in this cloud: check AZURE_TENANT_ID and AZURE_AUTHORITY_HOST",
	"AADSTS700024":  "the federated token has expired: is AZURE_FEDERATED_TOKEN_FILE renewed? check the clock",
	"AADSTS700027":  "the certificate is not one of the application's",
	"AADSTS700211":  "no federated credential fits: check its issuer",
	"AADSTS700212":  "no federated credential fits: check its audience",
	"AADSTS700213":  "no federated credential fits: check its subject, system:serviceaccount:NAMESPACE:NAME",
	"AADSTS70021":   "no federated credential fits: check its issuer, subject and audience",
}
