package entra

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

type source func(context.Context) (azcore.AccessToken, error)

func (s source) GetToken(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return s(ctx)
}

func TestATokenIsPassedOnAndARefusalSaysNothing(t *testing.T) {
	good := NewTokens(source(func(context.Context) (azcore.AccessToken, error) { return azcore.AccessToken{Token: "t"}, nil }))
	if got, err := good.GetToken(t.Context(), policy.TokenRequestOptions{}); err != nil || got.Token != "t" {
		t.Errorf("%q, %v", got.Token, err)
	}
	bad := NewTokens(source(func(context.Context) (azcore.AccessToken, error) {
		return azcore.AccessToken{}, errors.New("canary AADSTS700016: canary")
	}))
	_, err := bad.GetToken(t.Context(), policy.TokenRequestOptions{})
	var no NoToken
	if !errors.As(err, &no) || strings.Contains(err.Error(), "canary") {
		t.Fatalf("error %v", err)
	}
	if got := Code(no.Cause); got != "AADSTS700016" {
		t.Errorf("code %q", got)
	}
	if got := Code(errors.New("AADSTS1 canary")); got != "" {
		t.Errorf("code %q of something else", got)
	}
	if _, final := err.(interface{ NonRetriable() }); !final { //nolint:errorlint // as the SDK looks
		t.Error("the SDK would ask again")
	}
}

func TestEntraIsNotWaitedForWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := NewTokens(source(func(ctx context.Context) (azcore.AccessToken, error) {
			<-ctx.Done()
			return azcore.AccessToken{}, ctx.Err()
		}))
		begun := time.Now()
		_, err := silent.GetToken(t.Context(), policy.TokenRequestOptions{})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != within {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}
