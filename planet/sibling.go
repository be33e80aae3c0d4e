package planet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

const (
	pathOrders        = "/compute/ops/orders/v2"
	pathSubscriptions = "/subscriptions/v1"

	routeOrders        = pathOrders
	routeSubscriptions = pathSubscriptions
	routeResults       = pathSubscriptions + "/{id}/results"

	defaultPages = 4
	maxPages     = 100
	maxLink      = 8 << 10
)

// SiblingOptions configure a client of another API of Planet's, made from a
// [Client], whose key, transport, time-outs, observer and logger it shares.
type SiblingOptions struct {
	// BaseURL is the API's address; empty takes scheme and host of the
	// Client's and the path that Planet documents.
	BaseURL string
	// Limiter is the account's for this one API, which Planet counts apart
	// from the others: share it among clients of one account, and with no
	// other API. nil makes one with three requests a second.
	Limiter *Limiter
	// Attempts bounds how often a GET is tried; 0 means as the Client does.
	Attempts int
}

// sibling makes the inner client of another API.
func (c *Client) sibling(o SiblingOptions, path string) (*Client, error) {
	s := *c
	switch {
	case o.Attempts < 0:
		return nil, errors.New("the attempts must not be negative")
	case o.Limiter == c.limiter:
		return nil, errors.New("the limiter is that of the Destinations API: each API has a limit, and so a limiter, of its own")
	case o.BaseURL == "":
		s.base = &url.URL{Scheme: c.base.Scheme, Host: c.base.Host, Path: path}
	default:
		base, err := parseBase(o.BaseURL)
		if err != nil {
			return nil, err
		}
		s.base = base
	}
	if o.Attempts > 0 {
		s.attempts = o.Attempts
	}
	s.limiter = o.Limiter
	if s.limiter == nil {
		l, err := NewLimiter(LimiterOptions{})
		if err != nil {
			return nil, err
		}
		s.limiter = l
	}
	return &s, nil
}

// listing is a paged list that is read as far as its bounds allow.
type listing struct {
	call  call
	key   string // the member that holds the items
	pages int    // at most
	// each takes one item; place names it in errors.
	each func(place string, item json.RawMessage) error
}

// readPages calls each for the items of one page after the other. It is more
// when there are pages that it did not read: the bound, or a link that leads
// elsewhere or in a circle. What came before an error has been handed over.
func (c *Client) readPages(ctx context.Context, l listing) (more bool, e *Error) {
	if l.pages <= 0 {
		l.pages = defaultPages
	}
	k, seen := l.call, map[string]bool{}
	for n := 0; ; n++ {
		at := c.address(k)
		seen[at.String()] = true
		got, e := c.do(ctx, k)
		if e != nil {
			return true, e
		}
		next, err := l.decode(got.body)
		if err != nil {
			return true, k.invalid(got, err)
		}
		if next == "" {
			return false, nil
		}
		to, ok := followable(&at, next)
		if !ok || seen[to.String()] || n+1 >= min(l.pages, maxPages) {
			return true, nil
		}
		k.url = to
	}
}

// decode reads one page and wipes it: the items are whole orders, and may hold
// what people put into them.
func (l listing) decode(raw []byte) (next string, err error) {
	defer clear(raw)
	page, err := object("list", raw)
	if err != nil {
		return "", err
	}
	defer wipe(page)
	if !present(page[l.key]) {
		return "", wrong("list."+l.key, "is missing")
	}
	var items []json.RawMessage
	if json.Unmarshal(page[l.key], &items) != nil {
		return "", wrong("list."+l.key, "is not an array")
	}
	for i, item := range items {
		if err == nil {
			err = l.each(fmt.Sprintf("list.%s[%d]", l.key, i), item)
		}
		clear(item)
	}
	if err != nil || !present(page["_links"]) {
		return "", err
	}
	links, err := object("list._links", page["_links"])
	if err != nil {
		return "", err
	}
	return next, read(links, "list._links", "next", "text", &next)
}

func wipe(obj map[string]json.RawMessage) {
	for _, raw := range obj {
		clear(raw)
	}
}

// followable reads a link to the next page. The key goes to the origin that
// the operator has chosen and to no other.
func followable(from *url.URL, link string) (*url.URL, bool) {
	if len(link) > maxLink {
		return nil, false
	}
	to, err := from.Parse(link)
	if err != nil || to.Opaque != "" || to.User != nil || !strings.EqualFold(to.Host, from.Host) || to.Scheme != from.Scheme {
		return nil, false
	}
	to.Fragment, to.RawFragment = "", ""
	return to, true
}

// checkItem keeps an id of a subscription from being a path.
func checkItem(id string) error {
	if id == "" || len(id) > 128 || strings.ContainsFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
	}) {
		return errors.New("the id is empty or holds a character that no id does")
	}
	return nil
}

// get is a GET of a list that may be tried again.
func (c *Client) get(op, route string, q url.Values, budget *int) call {
	return call{op: op, method: http.MethodGet, route: route, query: q, timeout: c.timeout, repeat: true, budget: budget}
}
