package azure_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/azure"
	"github.com/rotatord/rotatord/providers/azure/azuretest"
)

// day is some day of the past, n hours into it.
func day(n int) time.Time { return time.Date(2020, 1, 1, n, 0, 0, 0, time.UTC) }

func TestARotationCostsOneListAndOneGet(t *testing.T) {
	s, p := both(t)
	for i := range 4 {
		id := s.SetAt(vault, "planet", fmt.Sprint("value ", i), azuretest.Attributes{}, day(i))
		v := current(t, p, prefix+"planet")
		if v.ID != id || !v.Created.Equal(day(i)) || !v.Expires.IsZero() || !v.NextRotation.IsZero() {
			t.Fatalf("current is %+v, want %s", v, id)
		}
		if got := read(t, p, prefix+"planet", id); got != fmt.Sprint("value ", i) {
			t.Fatalf("reads %q", got)
		}
		if l, g := s.Count("list"), s.Count("get"); l != i+1 || g != i+1 {
			t.Fatalf("after rotation %d: %d lists, %d gets", i+1, l, g)
		}
	}
	if n := s.Count("token"); n != 1 {
		t.Errorf("%d tokens were asked for, want 1", n)
	}
	for _, r := range s.Requests() {
		if r.Action == "get" && r.Version == "" {
			t.Error("a value is read without saying which version")
		}
	}
}

func TestTheNewestIsFoundOnWhateverPageItIs(t *testing.T) {
	s, p := both(t)
	for i := range 60 {
		id := s.SetAt(vault, "planet", "x", azuretest.Attributes{}, day(i))
		if v := current(t, p, prefix+"planet"); v.ID != id {
			t.Fatalf("of %d versions the current is %s, want %s", i+1, v.ID, id)
		}
	}
	before := s.Count("list")
	current(t, p, prefix+"planet")
	if n := s.Count("list") - before; n != 3 {
		t.Errorf("60 versions took %d pages, want 3", n)
	}
}

func TestWhichVersionIsCurrent(t *testing.T) {
	far, off := time.Now().Add(1000*time.Hour).Truncate(time.Second), azuretest.Attributes{Disabled: true}
	ahead := azuretest.Attributes{NotBefore: far}
	for _, c := range []struct {
		name     string
		versions []azuretest.Attributes // oldest first
		want     int                    // index; -1 for none
		words    []string
		next     bool
	}{
		{"the newest", []azuretest.Attributes{{}, {}, {}}, 2, nil, false},
		{"the newest enabled when the newest is disabled", []azuretest.Attributes{{}, {}, off, off}, 1, nil, false},
		{"the one before while the newest is not in force", []azuretest.Attributes{{}, {}, ahead}, 1, nil, true},
		{"a disabled one that is not in force announces nothing", []azuretest.Attributes{{}, {NotBefore: far, Disabled: true}}, 0, nil, false},
		{"an older one that is not in force announces nothing", []azuretest.Attributes{ahead, {}}, 1, nil, false},
		{"one that was not in force once", []azuretest.Attributes{{}, {NotBefore: day(0)}}, 1, nil, false},
		{"one that has expired, for nothing replaces it", []azuretest.Attributes{{}, {Expire: day(1)}}, 1, nil, false},
		{"none when all are disabled", []azuretest.Attributes{off, off}, -1, []string{"disabled", "--enabled true"}, false},
		{"none when none is in force", []azuretest.Attributes{off, ahead}, -1, []string{"no version is in force before " + far.UTC().Format(time.RFC3339)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p := both(t)
			var ids []string
			for i, a := range c.versions {
				ids = append(ids, s.SetAt(vault, "planet", "x", a, day(i)))
			}
			if c.want < 0 {
				_, err := p.Current(t.Context(), prefix+"planet")
				fails(t, err, providers.ReasonDisabled, c.words...)
				return
			}
			v := current(t, p, prefix+"planet")
			if v.ID != ids[c.want] {
				t.Errorf("current is version %d, want %d", slices.Index(ids, v.ID), c.want)
			}
			if !v.Expires.Equal(c.versions[c.want].Expire) {
				t.Errorf("it expires %s, want %s", v.Expires, c.versions[c.want].Expire)
			}
			if c.next != v.NextRotation.Equal(far) {
				t.Errorf("the next rotation is said to be at %s", v.NextRotation)
			}
		})
	}
}

func TestVersionsOfOneSecondAreToldApartOnce(t *testing.T) {
	s, p := both(t)
	for range 6 {
		id := s.SetAt(vault, "planet", "x", azuretest.Attributes{}, day(1))
		for range 3 {
			if v := current(t, p, prefix+"planet"); v.ID != id {
				t.Fatalf("current is %s, want %s", v.ID, id)
			}
		}
	}
	if n := s.Count("get"); n != 5 {
		t.Errorf("%d gets for 5 ties", n)
	}
	// The newest of all is disabled: no get helps, and something of them is current.
	id := s.SetAt(vault, "planet", "x", azuretest.Attributes{Disabled: true}, day(2))
	if v := current(t, p, prefix+"planet"); v.ID == id {
		t.Error("a disabled version is current")
	}
	// A list that is behind what Key Vault calls the newest is asked for again.
	behind, r := both(t)
	behind.SetAt(vault, "planet", "x", azuretest.Attributes{}, day(1))
	behind.SetAt(vault, "planet", "x", azuretest.Attributes{}, day(1))
	last := behind.SetAt(vault, "planet", "x", azuretest.Attributes{}, day(1))
	behind.LagReads(vault, "planet", 2)
	if v := current(t, r, prefix+"planet"); v.ID != last || behind.Count("list") != 3 {
		t.Errorf("current is %s after %d lists, want %s", v.ID, behind.Count("list"), last)
	}
	behind.SetAt(vault, "planet", "x", azuretest.Attributes{}, day(1))
	behind.LagReads(vault, "planet", azuretest.Forever)
	_, err := mustNew(t, azure.Options{Transport: behind.Transport(), Credential: byClientSecret(t, azure.Options{Transport: behind.Transport()})}).Current(t.Context(), prefix+"planet")
	fails(t, err, providers.ReasonUnavailable, "faster than they can be listed")
	// An answer that can't be had decides nothing.
	other, q := both(t)
	other.SetAt(vault, "planet", "x", azuretest.Attributes{}, day(1))
	other.SetAt(vault, "planet", "x", azuretest.Attributes{}, day(1))
	other.Deny(vault, "planet", azuretest.ByRole, "get")
	_, err = q.Current(t.Context(), prefix+"planet")
	fails(t, err, providers.ReasonDenied, "getSecret")
}

// bubble gives a server and a provider without a network, in virtual time.
func bubble(t *testing.T, f func(*testing.T, *azuretest.Server, *azure.Provider)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := azuretest.New(azuretest.Options{Apps: []azuretest.App{own}})
		f(t, s, open(t, s))
	})
}

func TestAVersionComesIntoForceByTheClock(t *testing.T) {
	bubble(t, func(t *testing.T, s *azuretest.Server, p *azure.Provider) {
		old := s.Set(vault, "planet", "x", azuretest.Attributes{})
		time.Sleep(time.Second)
		next := s.Set(vault, "planet", "x", azuretest.Attributes{NotBefore: time.Now().Add(time.Hour)})
		if v := current(t, p, prefix+"planet"); v.ID != old || !v.NextRotation.Equal(time.Now().Add(time.Hour)) {
			t.Errorf("%+v before the time, want %s", v, old)
		}
		time.Sleep(time.Hour)
		if v := current(t, p, prefix+"planet"); v.ID != next || !v.NextRotation.IsZero() {
			t.Errorf("%+v after it, want %s", v, next)
		}
	})
}

func TestAListThatIsBehindIsNotBelieved(t *testing.T) {
	bubble(t, func(t *testing.T, s *azuretest.Server, p *azure.Provider) {
		old := s.Set(vault, "planet", "x", azuretest.Attributes{})
		time.Sleep(time.Hour)
		id := s.Set(vault, "planet", "x", azuretest.Attributes{})
		want := func(when, id string) {
			t.Helper()
			if v := current(t, p, prefix+"planet"); v.ID != id {
				t.Errorf("%s: current is %s, want %s", when, v.ID, id)
			}
		}
		want("at first", id)
		s.LagReads(vault, "planet", 1)
		want("from a replica that is behind", id)
		time.Sleep(time.Second)
		s.Change(vault, "planet", id, azuretest.Attributes{Disabled: true})
		want("after it was disabled", old)
		s.LagReads(vault, "planet", 1)
		want("from a replica that has not heard of that", old)
		s.LagReads(vault, "planet", 2)
		time.Sleep(59 * time.Second)
		want("before the minute is over", old)
		time.Sleep(time.Second)
		want("from a secret that was restored", id)
	})
}

func TestAnEventIsFollowed(t *testing.T) {
	for _, c := range []struct {
		name  string
		lag   int
		hint  func(id string, at time.Time) providers.Hint
		lists int
	}{
		{"a list that has it is believed at once", 0, func(id string, _ time.Time) providers.Hint { return providers.Hint{Version: id} }, 1},
		{"an id in capitals is the same", 0, func(id string, _ time.Time) providers.Hint { return providers.Hint{Version: strings.ToUpper(id)} }, 1},
		{"a list that is behind is asked again", 3, func(id string, _ time.Time) providers.Hint { return providers.Hint{Version: id} }, 4},
		{"what was made after the event is enough", 0, func(_ string, at time.Time) providers.Hint {
			return providers.Hint{Version: "gone", Time: at.Add(-time.Minute)}
		}, 1},
		{"an event about nothing costs some lists", 0, func(string, time.Time) providers.Hint { return providers.Hint{Version: "gone"} }, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *azuretest.Server, p *azure.Provider) {
				s.Set(vault, "planet", "x", azuretest.Attributes{})
				time.Sleep(time.Hour)
				id := s.Set(vault, "planet", "x", azuretest.Attributes{})
				s.LagReads(vault, "planet", c.lag)
				v, err := p.CurrentAfter(t.Context(), prefix+"planet", c.hint(id, time.Now()))
				if err != nil || v.ID != id || s.Count("list") != c.lists {
					t.Errorf("version %s after %d lists, want %s after %d: %v", v.ID, s.Count("list"), id, c.lists, err)
				}
			})
		})
	}
	t.Run("a secret that is new", func(t *testing.T) {
		bubble(t, func(t *testing.T, s *azuretest.Server, p *azure.Provider) {
			id := s.Set(vault, "planet", "x", azuretest.Attributes{})
			s.LagReads(vault, "planet", 2)
			if v, err := p.CurrentAfter(t.Context(), prefix+"planet", providers.Hint{Version: id}); err != nil || v.ID != id {
				t.Errorf("version %q: %v", v.ID, err)
			}
		})
	})
	t.Run("a version that was disabled since", func(t *testing.T) {
		bubble(t, func(t *testing.T, s *azuretest.Server, p *azure.Provider) {
			old := s.Set(vault, "planet", "x", azuretest.Attributes{})
			time.Sleep(time.Hour)
			id := s.Set(vault, "planet", "x", azuretest.Attributes{Disabled: true})
			v, err := p.CurrentAfter(t.Context(), prefix+"planet", providers.Hint{Version: id})
			if err != nil || v.ID != old || s.Count("list") != 1 {
				t.Errorf("version %q after %d lists: %v", v.ID, s.Count("list"), err)
			}
		})
	})
	t.Run("a context that ends", func(t *testing.T) {
		bubble(t, func(t *testing.T, s *azuretest.Server, p *azure.Provider) {
			s.Set(vault, "planet", "x", azuretest.Attributes{})
			ctx, cancel := contextFor(t, time.Second)
			defer cancel()
			_, err := p.CurrentAfter(ctx, prefix+"planet", providers.Hint{Version: "gone"})
			fails(t, err, providers.ReasonUnavailable)
		})
	})
}

func TestNamesHaveNoCase(t *testing.T) {
	s, p := both(t)
	id := s.Set(vault, "Planet-Azure", "x", azuretest.Attributes{})
	for _, n := range []string{prefix + "planet-azure", "HTTPS://MY-VAULT.Vault.Azure.NET/Secrets/PLANET-AZURE/", "https://my-vault.vault.azure.net:443/secrets/planet-azure"} {
		if current(t, p, n).ID != id || read(t, p, n, id) != "x" {
			t.Errorf("%s is another secret", n)
		}
	}
}

func TestWhatIsWrongWithAVersionThatCannotBeRead(t *testing.T) {
	s, p := both(t)
	old := s.SetAt(vault, "planet", "one", azuretest.Attributes{}, day(0))
	id := s.SetAt(vault, "planet", "two", azuretest.Attributes{}, day(1))
	never := strings.Repeat("0", 32)
	fail := func(secret, version string, reason providers.Reason, words ...string) {
		t.Helper()
		_, err := p.Read(t.Context(), credential.Secret(prefix+secret), version)
		fails(t, err, reason, words...)
	}
	fail("planet", never, providers.ReasonGone, "SecretNotFound")
	fail("other", old, providers.ReasonNotFound, "SecretNotFound", "recover")
	s.Change(vault, "planet", old, azuretest.Attributes{Disabled: true})
	fail("planet", old, providers.ReasonGone, "SecretDisabled", "another version")
	s.Change(vault, "planet", id, azuretest.Attributes{Disabled: true})
	fail("planet", id, providers.ReasonDisabled, "SecretDisabled")
	s.Change(vault, "planet", id, azuretest.Attributes{})
	s.Deny(vault, "planet", azuretest.ByRole, "list")
	fail("planet", never, providers.ReasonGone)
	fail("planet", old, providers.ReasonDisabled)
	s.Allow(vault, "planet")
	s.Delete(vault, "planet")
	fail("planet", id, providers.ReasonNotFound, "recover")
	_, err := p.Current(t.Context(), prefix+"planet")
	fails(t, err, providers.ReasonNotFound, "recover")
	s.Recover(vault, "planet")
	if read(t, p, prefix+"planet", id) != "two" {
		t.Error("a recovered secret reads otherwise")
	}
}

func TestAnAnswerAboutAnotherSecretIsNotBelieved(t *testing.T) {
	s, p := both(t)
	id := s.Set(vault, "planet", "x", azuretest.Attributes{})
	s.Mislead(1)
	_, err := p.Current(t.Context(), prefix+"planet")
	fails(t, err, providers.ReasonUnavailable, "another secret")
	s.Mislead(1)
	_, err = p.Read(t.Context(), prefix+"planet", id)
	fails(t, err, providers.ReasonUnavailable, "another secret")
}

// TestAListCannotLeadElsewhere: its links are followed with the token.
func TestAListCannotLeadElsewhere(t *testing.T) {
	s := start(t, azuretest.Options{Vaults: []string{vault, "other.vault.azure.net"}})
	p := open(t, s)
	s.Set(vault, "planet", "x", azuretest.Attributes{})
	for _, link := range []string{"https://other.vault.azure.net/secrets/planet/versions", "https://evil.example.com/", "http://" + vault + "/secrets/planet/versions",
		"https://" + vault + "@evil.example.com/", "https://" + vault + ":8443/secrets/planet/versions"} {
		s.Redirect(link)
		_, err := p.Current(t.Context(), prefix+"planet")
		fails(t, err, providers.ReasonUnavailable)
	}
	for _, r := range s.Requests() {
		if r.Host == "other.vault.azure.net" {
			t.Error("another vault was asked")
		}
	}
	s.Redirect("https://" + vault + "/secrets/planet/versions?api-version=7.4")
	before := s.Count("list")
	_, err := p.Current(t.Context(), prefix+"planet")
	fails(t, err, providers.ReasonUnavailable, "does not end")
	if n := s.Count("list") - before; n != 400 {
		t.Errorf("a list without an end took %d pages", n)
	}
}

// changing changes answers on their way.
type changing struct {
	http.RoundTripper
	change func(*http.Response)
}

func (c changing) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.RoundTripper.RoundTrip(r)
	if err == nil {
		c.change(resp)
	}
	return resp, err
}

// TestATokenIsForItsVaultOnly: who pretends to be a vault could ask for a token
// for something else.
func TestATokenIsForItsVaultOnly(t *testing.T) {
	for _, challenge := range []string{
		`Bearer authorization="https://login.microsoftonline.com/` + azuretest.DefaultTenant + `", resource="https://management.azure.com"`,
		`Bearer authorization="https://login.microsoftonline.com/` + azuretest.DefaultTenant + `", resource="https://azure.com"`,
		`Bearer authorization="", resource="https://graph.microsoft.com"`,
		`Bearer authorization="x", resource="https://vault.azure.net"`, // the SDK panics at this one
		`Bearer authorization=https://host resource="https://vault.azure.net"`,
		`Bearer realm="x"`, ``,
	} {
		s := start(t, azuretest.Options{})
		s.Set(vault, "planet", "x", azuretest.Attributes{})
		p := open(t, s, func(o *azure.Options) {
			o.Transport = changing{s.Transport(), func(r *http.Response) {
				if r.StatusCode == http.StatusUnauthorized {
					r.Header.Set("WWW-Authenticate", challenge)
				}
			}}
		})
		_, err := p.Current(t.Context(), prefix+"planet")
		if r := providers.ReasonOf(err); r != providers.ReasonUnavailable && r != providers.ReasonDenied {
			t.Errorf("%s: %v", challenge, err)
		}
		if n := s.Count("token"); n != 0 {
			t.Errorf("%s: %d tokens were asked for", challenge, n)
		}
	}
}
