// Package azurite runs Azurite's Blob Storage for tests, and gives them its
// owner's way to containers: what the tests themselves do with a token of their
// own is not done here.
package azurite

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
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/bucket/azureblob/azureblobtest"
	"github.com/rotatord/rotatord/integration/internal/nodeserver"
)

const (
	// Account is the one account that there is.
	Account = "rotatord"
	// AccountKey is base64 of a text that no error may hold.
	AccountKey = "Y2FuYXJ5QWNjb3VudEtleUNhbmFyeUFjY291bnRLZXlDYW5hcnlBY2NvdW50S2V5Q2FuYXJ5QWNjb3VudEtleQ=="
)

// Server is a running Azurite.
type Server struct {
	URL string
	Key []byte // of the account, decoded

	dir    string
	node   *nodeserver.Server
	client *http.Client
	serial atomic.Int64
}

// Start runs an Azurite until End. repository is the repository's own folder.
func Start(repository string) (s *Server, err error) {
	modules, err := nodeserver.Modules(repository)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "azureblob")
	if err != nil {
		return nil, err
	}
	s = &Server{dir: dir, client: &http.Client{Transport: &http.Transport{}}}
	if s.Key, err = base64.StdEncoding.DecodeString(AccountKey); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if s.node, s.URL, err = nodeserver.Azurite(repository, "blob", modules, dir, Account, AccountKey); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// End ends it.
func (s *Server) End() error {
	s.client.CloseIdleConnections()
	return errors.Join(s.node.End(), os.RemoveAll(s.dir))
}

// Container is one container as its owner sees it.
type Container struct {
	Name string

	t   testing.TB
	in  *Server
	sas string // the owner's
}

// NewContainer makes an empty container.
func (s *Server) NewContainer(t testing.TB) *Container {
	t.Helper()
	c := &Container{t: t, in: s, Name: fmt.Sprintf("box-%d", s.serial.Add(1)),
		sas: azureblobtest.SAS(s.Key, azureblobtest.Values{Account: Account, Permissions: "rwdlc", End: time.Now().Add(time.Hour)})}
	c.do(http.MethodPut, "", "restype=container", nil)
	return c
}

// do sends a request with the owner's token.
func (c *Container) do(method, blob, query string, body []byte) []byte {
	c.t.Helper()
	u, err := url.Parse(c.in.URL)
	c.must(err)
	u.Path, u.RawQuery = "/"+Account+"/"+c.Name, query+"&"+c.sas
	if blob != "" {
		u.Path += "/" + blob
		u.RawPath = "/" + Account + "/" + c.Name + "/" + url.PathEscape(blob)
	}
	r, err := http.NewRequestWithContext(context.Background(), method, "http://azurite.test", bytes.NewReader(body))
	c.must(err)
	r.URL, r.Host = u, u.Host
	r.Header.Set("X-Ms-Blob-Type", "BlockBlob")
	return c.send(r)
}

func (c *Container) send(r *http.Request) []byte {
	c.t.Helper()
	r.Header.Set("X-Ms-Version", "2020-10-02")
	resp, err := c.in.client.Do(r)
	c.must(err)
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	c.must(err)
	if resp.StatusCode >= 300 {
		c.t.Fatalf("%s by the owner: %s", r.Method, resp.Status)
	}
	return answer
}

// Store puts a blob, and Delete removes one.
func (c *Container) Store(key string, body []byte) { c.do(http.MethodPut, key, "", body) }

// Delete removes a blob.
func (c *Container) Delete(key string) { c.do(http.MethodDelete, key, "", nil) }

// Remove removes the container with all that is in it.
func (c *Container) Remove() { c.do(http.MethodDelete, "", "restype=container", nil) }

// Blobs lists the names of all blobs in order.
func (c *Container) Blobs() []string {
	c.t.Helper()
	var list struct {
		Names []string `xml:"Blobs>Blob>Name"`
	}
	text := c.do(http.MethodGet, "", "restype=container&comp=list", nil)
	c.must(xml.Unmarshal(bytes.TrimPrefix(text, []byte("\ufeff")), &list))
	slices.Sort(list.Names)
	return list.Names
}

// Policy stores an access policy with these permissions, or removes all for "".
// No SAS may do that: the request is signed with the account's key.
func (c *Container) Policy(id, permissions string) {
	c.t.Helper()
	const layout = "2006-01-02T15:04:05Z"
	body := "<SignedIdentifiers>"
	if permissions != "" {
		body += "<SignedIdentifier><Id>" + id + "</Id><AccessPolicy><Start>" + time.Now().Add(-time.Hour).UTC().Format(layout) +
			"</Start><Expiry>" + time.Now().Add(time.Hour).UTC().Format(layout) + "</Expiry><Permission>" + permissions +
			"</Permission></AccessPolicy></SignedIdentifier>"
	}
	body += "</SignedIdentifiers>"
	path := "/" + Account + "/" + c.Name
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPut, c.in.URL+path+"?restype=container&comp=acl", strings.NewReader(body))
	c.must(err)
	date := time.Now().UTC().Format(http.TimeFormat)
	r.Header.Set("X-Ms-Date", date)
	text := "PUT\n\n\n" + strconv.Itoa(len(body)) + "\n\n\n\n\n\n\n\n\nx-ms-date:" + date + "\nx-ms-version:2020-10-02\n/" +
		Account + path + "\ncomp:acl\nrestype:container"
	mac := hmac.New(sha256.New, c.in.Key)
	mac.Write([]byte(text))
	r.Header.Set("Authorization", "SharedKey "+Account+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	c.send(r)
}

func (c *Container) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// Spoilt is a token with one bit of its signature turned.
func Spoilt(sas string) (string, error) {
	q, err := url.ParseQuery(sas)
	if err != nil {
		return "", err
	}
	sig, err := base64.StdEncoding.DecodeString(q.Get("sig"))
	if err != nil || len(sig) == 0 {
		return "", errors.New("the token has no signature")
	}
	sig[0] ^= 1
	q.Set("sig", base64.StdEncoding.EncodeToString(sig))
	return q.Encode(), nil
}
