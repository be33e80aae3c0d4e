package azureblob

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/bucket/azureblob/azureblobtest"
	"github.com/rotatord/rotatord/integration/internal/nodeserver"
)

const (
	account = "rotatord"
	// accountKey is base64 of a text that no error may hold.
	accountKey = "Y2FuYXJ5QWNjb3VudEtleUNhbmFyeUFjY291bnRLZXlDYW5hcnlBY2NvdW50S2V5Q2FuYXJ5QWNjb3VudEtleQ=="
)

// azurite is the address of the one Azurite of this process, and the owner's
// way to it.
var azurite struct {
	url    string
	key    []byte
	client *http.Client
}

func TestMain(m *testing.M) {
	code, err := withAzurite(m.Run)
	if err == nil && code == 0 {
		err = goleak.Find()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withAzurite(run func() int) (code int, err error) {
	modules, err := nodeserver.Modules()
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "azureblob")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	server, address, err := nodeserver.Azurite("blob", modules, dir, account, accountKey)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.End()) }()
	azurite.url, azurite.client = address, &http.Client{Transport: &http.Transport{}}
	defer azurite.client.CloseIdleConnections()
	if azurite.key, err = base64.StdEncoding.DecodeString(accountKey); err != nil {
		return 0, err
	}
	return run(), nil
}

// container is one container as its owner sees it.
type container struct {
	t    testing.TB
	name string
	sas  string // the owner's
}

func newContainer(t testing.TB) *container {
	t.Helper()
	c := &container{t: t, name: fmt.Sprintf("c%d", time.Now().UnixNano()),
		sas: azureblobtest.SAS(azurite.key, azureblobtest.Values{Account: account, Permissions: "rwdlc", End: time.Now().Add(time.Hour)})}
	c.do(http.MethodPut, "", "restype=container", nil)
	return c
}

// do sends a request with the owner's token.
func (c *container) do(method, blob, query string, body []byte) []byte {
	c.t.Helper()
	u, err := url.Parse(azurite.url)
	must(c.t, err)
	u.Path, u.RawQuery = "/"+account+"/"+c.name, query+"&"+c.sas
	if blob != "" {
		u.Path += "/" + blob
		u.RawPath = "/" + account + "/" + c.name + "/" + url.PathEscape(blob)
	}
	r, err := http.NewRequestWithContext(context.Background(), method, "http://azurite.test", bytes.NewReader(body))
	must(c.t, err)
	r.URL, r.Host = u, u.Host
	r.Header.Set("X-Ms-Blob-Type", "BlockBlob")
	return c.send(r)
}

func (c *container) send(r *http.Request) []byte {
	c.t.Helper()
	r.Header.Set("X-Ms-Version", "2020-10-02")
	resp, err := azurite.client.Do(r)
	must(c.t, err)
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	must(c.t, err)
	if resp.StatusCode >= 300 {
		c.t.Fatalf("%s by the owner: %s", r.Method, resp.Status)
	}
	return answer
}

func (c *container) store(key string, body []byte) { c.do(http.MethodPut, key, "", body) }

func (c *container) remove() { c.do(http.MethodDelete, "", "restype=container", nil) }

func (c *container) blobs() []string {
	c.t.Helper()
	var list struct {
		Names []string `xml:"Blobs>Blob>Name"`
	}
	text := c.do(http.MethodGet, "", "restype=container&comp=list", nil)
	must(c.t, xml.Unmarshal(bytes.TrimPrefix(text, []byte("\ufeff")), &list))
	slices.Sort(list.Names)
	return list.Names
}

// policy stores an access policy with these permissions, or removes all for "".
// No SAS may do that: the request is signed with the account's key.
func (c *container) policy(id, permissions string) {
	c.t.Helper()
	const layout = "2006-01-02T15:04:05Z"
	body := "<SignedIdentifiers>"
	if permissions != "" {
		body += "<SignedIdentifier><Id>" + id + "</Id><AccessPolicy><Start>" + time.Now().Add(-time.Hour).UTC().Format(layout) +
			"</Start><Expiry>" + time.Now().Add(time.Hour).UTC().Format(layout) + "</Expiry><Permission>" + permissions +
			"</Permission></AccessPolicy></SignedIdentifier>"
	}
	body += "</SignedIdentifiers>"
	path := "/" + account + "/" + c.name
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPut, azurite.url+path+"?restype=container&comp=acl", strings.NewReader(body))
	must(c.t, err)
	date := time.Now().UTC().Format(http.TimeFormat)
	r.Header.Set("X-Ms-Date", date)
	text := "PUT\n\n\n" + strconv.Itoa(len(body)) + "\n\n\n\n\n\n\n\n\nx-ms-date:" + date + "\nx-ms-version:2020-10-02\n/" +
		account + path + "\ncomp:acl\nrestype:container"
	mac := hmac.New(sha256.New, azurite.key)
	mac.Write([]byte(text))
	r.Header.Set("Authorization", "SharedKey "+account+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	c.send(r)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
