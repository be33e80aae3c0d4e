// Package entra is how the adapters for Azure's queues get tokens: from Microsoft
// Entra, by the SDK's default chain (environment variables, workload identity,
// managed identity, the Azure CLI), unless they are given another source.
//
// Two things about that chain would hurt without this room. It asks without a
// time-out, and an SDK that is refused a token logs the error's text, which may
// quote an answer. So [Tokens] bounds each question, and fails with an error that
// says nothing ([NoToken]); [Code] takes from its cause what may be told.
//
// providers/azure does not come here: a Key Vault says itself which tenant's token
// it wants, and the way there is watched more closely.
package entra

import (
	"context"
	"regexp"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// within bounds one question for a token.
const within = 30 * time.Second

// HintChain says where tokens are looked for.
const HintChain = "tokens are looked for in: environment variables (AZURE_CLIENT_ID, AZURE_TENANT_ID, …), workload identity, managed identity, " +
	"the Azure CLI; or give a connection_string"

// Tokens is an azcore.TokenCredential. It is safe for concurrent use.
type Tokens struct {
	mu     sync.Mutex
	source azcore.TokenCredential
}

// NewTokens asks the source; nil means the default chain, which is built when it
// is first needed: it reads the environment.
func NewTokens(source azcore.TokenCredential) *Tokens { return &Tokens{source: source} }

// GetToken implements azcore.TokenCredential. It fails with a NoToken.
func (t *Tokens) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	source, err := t.chain()
	if err != nil {
		return azcore.AccessToken{}, NoToken{err}
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	token, err := source.GetToken(ctx, o)
	if err != nil {
		return azcore.AccessToken{}, NoToken{err}
	}
	return token, nil
}

func (t *Tokens) chain() (azcore.TokenCredential, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.source == nil {
		chain, err := azidentity.NewDefaultAzureCredential(nil)
		if err != nil {
			return nil, err
		}
		t.source = chain
	}
	return t.source, nil
}

// NoToken says that it was Entra and not the service that failed us.
type NoToken struct{ Cause error }

// Error does not say why: the SDK logs it, and the cause may hold anything.
func (NoToken) Error() string { return "no token from Entra" }

func (e NoToken) Unwrap() error { return e.Cause }

// NonRetriable keeps the SDK from asking again at once.
func (NoToken) NonRetriable() {}

var code = regexp.MustCompile(`\bAADSTS[0-9]{3,10}\b`)

// Code is the number of Entra's refusal, "AADSTS700016"; empty if there is none.
// It can be looked up, and the text around it may hold anything.
func Code(err error) string { return code.FindString(err.Error()) }
