package google

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/compute/metadata"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/oneline"
	"github.com/rotatord/rotatord/providers"
)

// The permissions, as IAM names them.
const (
	permissionList   = "secretmanager.versions.list"
	permissionGet    = "secretmanager.versions.get"
	permissionAccess = "secretmanager.versions.access"
	permissionSecret = "secretmanager.secrets.get"
	permissionUpdate = "secretmanager.secrets.update"
)

// roles are those that have them.
var roles = map[string]string{
	permissionList:   "roles/secretmanager.viewer",
	permissionGet:    "roles/secretmanager.viewer",
	permissionAccess: "roles/secretmanager.secretAccessor",
	permissionSecret: "roles/secretmanager.viewer",
	permissionUpdate: "a role of your own; of Google's, none but roles/secretmanager.admin",
}

const (
	credentialsEnv  = "GOOGLE_APPLICATION_CREDENTIALS"
	hintCredentials = "credentials are looked for in: the file that " + credentialsEnv + " names (a service account key, or a configuration for " +
		"workload identity federation), gcloud's application default credentials, the metadata server (Compute Engine, GKE workload identity, Cloud Run)"
)

// problem is a providers.Error before it knows what was asked and of which
// secret.
type problem struct {
	reason providers.Reason
	hint   string
	err    error
	// credentials says that our own ones were not accepted, so that they are to
	// be looked for anew.
	credentials bool
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
	return &problem{reason: providers.ReasonUnavailable, err: errors.New(what), hint: "does something stand between rotatord and Google? check the endpoint"}
}

// refusal is what Google said, and all that is kept of it.
type refusal struct {
	code            codes.Code
	reason, message string            // the reason of an ErrorInfo, if there is one
	about           map[string]string // its metadata
}

func (r *refusal) Error() string {
	s := r.code.String()
	if r.reason != "" {
		s += " (" + r.reason + ")"
	}
	if r.message != "" {
		s += ": " + r.message
	}
	return s
}

// told are the codes that only a server gives, with a message that it means
// for people. Under the others, gRPC may quote what it could not read.
var told = []codes.Code{codes.NotFound, codes.PermissionDenied, codes.FailedPrecondition, codes.InvalidArgument, codes.Unauthenticated, codes.ResourceExhausted}

func refusalOf(err error) *refusal {
	st, ok := status.FromError(err)
	if !ok {
		return nil
	}
	r := &refusal{code: st.Code()}
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			r.reason, r.about = oneline.Plain(info.GetReason(), 100), info.GetMetadata()
		}
	}
	if slices.Contains(told, r.code) && !isForeign(st.Message()) {
		r.message = oneline.Plain(st.Message(), 600)
	}
	return r
}

// isForeign tells an answer that gRPC has made of one that is no gRPC at all, a
// proxy's page say, which it quotes.
func isForeign(message string) bool {
	for _, mark := range []string{"unexpected HTTP status code", "unexpected content-type", "malformed header", "data: "} {
		if strings.Contains(message, mark) {
			return true
		}
	}
	return false
}

// because says why a call failed.
func (p *Provider) because(ctx context.Context, permission string, err error) error {
	reason := explain(ctx, permission, err)
	if reason.credentials {
		p.forget()
	}
	return reason
}

func explain(ctx context.Context, permission string, err error) *problem {
	if ended := ended(ctx, err); ended != nil {
		return ended
	}
	r := refusalOf(err)
	if r == nil {
		return &problem{reason: providers.ReasonUnavailable, err: errors.New(unheard(err.Error()))}
	}
	return ofRefusal(r, permission, err)
}

// ended is for calls whose context has ended.
func ended(ctx context.Context, err error) *problem {
	cause := providers.GivenUp(ctx, err)
	if cause == nil && status.Code(err) == codes.DeadlineExceeded {
		cause = context.DeadlineExceeded
	}
	if cause == nil {
		return nil
	}
	return &problem{reason: providers.ReasonUnavailable, err: cause}
}

func ofRefusal(r *refusal, permission string, err error) *problem {
	p := &problem{reason: providers.ReasonUnavailable, err: r}
	if isForeign(status.Convert(err).Message()) {
		p.err, p.hint = errors.New("the answer is none of Secret Manager's"), "does something stand between rotatord and Google? check the endpoint and the proxy"
		return p
	}
	switch r.code {
	case codes.ResourceExhausted:
		ofExhausted(p, err)
	case codes.Unauthenticated:
		p.reason, p.credentials = providers.ReasonDenied, true
		p.hint = "Google does not accept rotatord's own token; " + hintCredentials
	case codes.PermissionDenied:
		ofDenied(p, r, permission)
	case codes.NotFound:
		p.reason, p.hint = providers.ReasonNotFound, "check project, location and name"
		if permission == permissionAccess && strings.HasPrefix(r.message, "Secret Version [") {
			p.reason, p.hint = providers.ReasonGone, "there is no version of this number"
		}
	case codes.FailedPrecondition:
		ofState(p, r)
	case codes.InvalidArgument:
		p.reason, p.hint = providers.ReasonInvalid, howToFind
	case codes.Unimplemented:
		p.hint = "is this an endpoint of Secret Manager?"
	case codes.Unavailable:
		p.err = errors.New(unheard(status.Convert(err).Message()))
	}
	return p
}

// ofExhausted tells Google's quota from our own bound on the size of answers.
func ofExhausted(p *problem, err error) {
	if strings.Contains(status.Convert(err).Message(), "received message larger than max") {
		p.err, p.hint = errors.New("the answer is larger than any of Secret Manager's"), "does something stand between rotatord and Google? check the endpoint"
		return
	}
	p.reason, p.hint = providers.ReasonThrottled, `a quota of the project is used up; see "Quotas & System Limits" of the Secret Manager API`
}

// policies are reasons for a PermissionDenied that no permission on the secret
// would help against.
var policies = []string{"SERVICE_DISABLED", "USER_PROJECT_DENIED", "SECURITY_POLICY_VIOLATED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}

func ofDenied(p *problem, r *refusal, permission string) {
	p.reason = providers.ReasonDenied
	switch r.reason {
	case "SERVICE_DISABLED":
		p.hint = `enable the API in that project: "gcloud services enable secretmanager.googleapis.com --project PROJECT"`
		return
	case "USER_PROJECT_DENIED":
		p.hint = "the quota project of the credentials may not be used: allow serviceusage.services.use on it, or unset GOOGLE_CLOUD_QUOTA_PROJECT and quota_project_id"
		return
	case "SECURITY_POLICY_VIOLATED":
		p.hint = "a perimeter of VPC Service Controls forbids it"
		return
	case "ACCESS_TOKEN_SCOPE_INSUFFICIENT":
		p.hint = "the token lacks the scope " + scope + ": set the access scopes of the virtual machine or node pool to it"
		return
	}
	p.hint = "allow " + permission + " on the secret (" + roles[permission] + " has it); a secret that does not exist may be denied as well"
}

// ofState is for a version, or its key, that is not in a state to be read.
func ofState(p *problem, r *refusal) {
	p.reason = providers.ReasonDisabled
	switch {
	case strings.Contains(r.message, "DESTROYED state"):
		p.reason, p.hint = providers.ReasonGone, "what is destroyed does not come back"
	case strings.Contains(r.message, "DISABLED state"):
		p.hint = "enable it, or add a new version"
	case strings.Contains(strings.ToLower(r.message), "kms"):
		p.hint = "the secret's Cloud KMS key can't be used: enable it, and let the service agent of Secret Manager use it (roles/cloudkms.cryptoKeyEncrypterDecrypter)"
	}
}

// ofDetecting is for credentials that can't be used. The SDK's text may quote a
// piece of their file, so only what is known to be harmless is said.
func ofDetecting(err error) *problem {
	p := &problem{reason: providers.ReasonDenied, err: errors.New("no credentials were found"), hint: hintCredentials}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.err = errors.New("the file that " + credentialsEnv + " names is not there")
	case errors.Is(err, fs.ErrPermission):
		p.err = errors.New("the file that " + credentialsEnv + " names may not be read")
	case os.Getenv(credentialsEnv) != "":
		p.err = errors.New("the file that " + credentialsEnv + " names holds no credentials that can be used")
	case !strings.Contains(err.Error(), "could not find default credentials"):
		p.err = errors.New("gcloud's application default credentials can't be used")
		p.hint = `run "gcloud auth application-default login"; a server is better off with a service account of its own`
	}
	return p
}

// ofToken is for credentials that give no token.
func ofToken(ctx context.Context, err error) *problem {
	if ended := ended(ctx, err); ended != nil {
		return ended
	}
	p := &problem{reason: providers.ReasonDenied, err: errors.New("there is no token for rotatord's own credentials"), hint: hintCredentials, credentials: true}
	said, code := 0, ""
	var (
		answered *auth.Error
		local    *metadata.Error
		missing  metadata.NotDefinedError
	)
	switch {
	case errors.As(err, &answered):
		if answered.Response != nil {
			said = answered.Response.StatusCode
		}
		code = oauthCode(answered.Body)
	case errors.As(err, &local):
		said = local.Code
	case errors.As(err, &missing):
		said = http.StatusNotFound
	}
	switch {
	case said == http.StatusTooManyRequests:
		p.reason, p.credentials = providers.ReasonThrottled, false
	case said >= http.StatusInternalServerError:
		p.reason, p.credentials = providers.ReasonUnavailable, false
		p.hint = "the token service has broken down"
	case said == 0 && isNetwork(err):
		p.reason, p.credentials = providers.ReasonUnavailable, false
		p.hint = "the token service can't be reached: " + unheard(err.Error())
	case code == "invalid_grant":
		p.err = errors.New("the token service does not accept rotatord's own key: invalid_grant")
		p.hint = "the key was deleted or disabled, or its service account was; a new key takes up to some minutes to work; check the clock of this machine, too"
	case code != "":
		p.err = errors.New("the token service does not accept rotatord's own credentials: " + code)
	}
	return p
}

// oauthCodes are those of RFC 6749 and Google's own. No other text of such an
// answer is passed on.
var oauthCodes = []string{"invalid_grant", "invalid_client", "invalid_request", "invalid_scope", "invalid_target", "unauthorized_client",
	"unsupported_grant_type", "access_denied", "disabled_client", "deleted_client", "invalid_rapt", "admin_policy_enforced", "org_internal"}

func oauthCode(body []byte) string {
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &said) == nil && slices.Contains(oauthCodes, said.Error) {
		return said.Error
	}
	return ""
}
