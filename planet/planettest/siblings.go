package planettest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/shape"
)

// api is one of Planet's APIs, named by the path that it begins with. Each has
// a rate limit of its own and errors in a form of its own.
type api string

const (
	destinationsAPI  api = root
	ordersAPI        api = "/compute/ops/orders/v2"
	subscriptionsAPI api = "/subscriptions/v1"
)

// apiOf tells whose path it is; paths of none count as the Destinations API's.
func apiOf(path string) api {
	for _, a := range []api{ordersAPI, subscriptionsAPI} {
		if rest, ok := strings.CutPrefix(path, string(a)); ok && (rest == "" || rest[0] == '/') {
			return a
		}
	}
	return destinationsAPI
}

// otherPlace is place for the APIs that are not the Destinations API.
func otherPlace(path string) (what, id string) {
	a := apiOf(path)
	rest := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(path, string(a)), "/"), "/")
	id, below, deep := strings.Cut(rest, "/")
	switch {
	case rest == "" && a == ordersAPI:
		return "orders", ""
	case rest == "":
		return "subscriptions", ""
	case !deep && a == ordersAPI:
		return "order", id
	case !deep:
		return "subscription", id
	case a == subscriptionsAPI && (below == "results" || below == "cancel"):
		return below, id
	}
	return "", ""
}

// itemForm is what ids of orders and subscriptions look like.
var itemForm = shape.Of(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`, 36)

// listFilters are what the record shows of a query.
var listFilters = map[string]*shape.Shape{
	"destination_ref": shape.Of(`^pl:destinations/(?:[a-z0-9]+-)*([0-9A-Za-z]+)$`, 0, 12),
	"source_type":     shape.Of(`^[a-z]+$`, 12),
	"state":           shape.Of(`^[a-z]+$`, 12),
	"status":          shape.Of(`^[a-z]+$`, 12),
	"user_id":         shape.Of(`^(all|[0-9]+)$`, 9),
	"last_modified":   shape.Of(`^[0-9T:.Z/+-]+$`, 70),
	"updated":         shape.Of(`^[0-9T:.Z/+-]+$`, 70),
	"page_size":       shape.Of(`^[0-9]+$`, 9),
	"page":            shape.Of(`^[0-9]+$`, 9),
}

// refuse is an error in the form of the API that was asked. Paths of no API
// have that of the Destinations API.
func (c *call) refuse(p *problem) answer {
	switch apiOf(c.request.URL.Path) {
	case ordersAPI:
		return reply(p.status, map[string]any{"general": []map[string]string{{"message": p.message}}})
	case subscriptionsAPI:
		return reply(p.status, map[string]any{"error": map[string]string{
			"reason": http.StatusText(p.status), "details": p.message,
		}})
	}
	return refuse(p)
}

// selection is the query of a list, understood. What this simulator does not
// know of is ignored, for the real APIs know much more.
type selection struct {
	ref    string
	states []string
	since  time.Time // zero: no bound
	until  time.Time
	all    bool // of all users
	page   int
	size   int
}

func (s *Simulator) readSelection(c *call, stateKey, timeKey string, states []string) (selection, *problem) {
	values, err := url.ParseQuery(c.request.URL.RawQuery)
	if err != nil {
		return selection{}, badRequest("the query is malformed")
	}
	sel := selection{ref: values.Get("destination_ref"), states: values[stateKey], size: s.deliveryOptions.PageSize}
	for _, state := range sel.states {
		if !slices.Contains(states, state) {
			return selection{}, badRequest(stateKey + " must be one of " + strings.Join(states, ", "))
		}
	}
	if text := values.Get(timeKey); text != "" {
		var ok bool
		if sel.since, sel.until, ok = readInterval(text); !ok {
			return selection{}, badRequest(timeKey + " must be a time or an interval")
		}
	}
	for name, into := range map[string]*int{"page": &sel.page, "page_size": &sel.size} {
		if text := values.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 || n > 1_000_000 || name == "page_size" && n == 0 {
				return selection{}, badRequest(name + " must be a number")
			}
			*into = n
		}
	}
	switch who := values.Get("user_id"); {
	case who == "":
	case who == "all" && c.user.Admin:
		sel.all = true
	case who != strconv.FormatInt(c.user.ID, 10):
		return selection{}, &problem{http.StatusForbidden, "user_id is for the admins of an organization"}
	}
	return sel, nil
}

// readInterval reads a time or "begin/end", of which one may be "..".
func readInterval(text string) (since, until time.Time, ok bool) {
	begin, end, interval := strings.Cut(text, "/")
	if !interval {
		end = begin
	}
	for _, bound := range []struct {
		text string
		into *time.Time
	}{{begin, &since}, {end, &until}} {
		if bound.text == ".." && interval {
			continue
		}
		t, err := time.Parse(time.RFC3339Nano, bound.text)
		if err != nil {
			return since, until, false
		}
		*bound.into = t
	}
	return since, until, true
}

// wants tells whether an item belongs in the list. The caller holds mu.
func (s *Simulator) wants(sel selection, c *call, n use, state string, moved time.Time) bool {
	switch {
	case n.user.Organization != c.user.Organization || !sel.all && n.user != c.user:
		return false
	case len(sel.states) > 0 && !slices.Contains(sel.states, state):
		return false
	case !sel.moved(moved):
		return false
	case sel.ref == "" || sel.ref == n.ref:
		return true
	}
	if !s.deliveryOptions.FilterResolves {
		return false
	}
	d := s.resolve(c.user, sel.ref)
	return d != nil && d == s.destination(n)
}

func (sel selection) moved(at time.Time) bool {
	return (sel.since.IsZero() || !at.Before(sel.since)) && (sel.until.IsZero() || !at.After(sel.until))
}

// cut gives one page of n items and the link to the next one.
func (sel selection) cut(c *call, n int) (from, to int, links map[string]string) {
	from = min(sel.page, n)
	to = min(from+sel.size, n)
	self := c.selfURL()
	links = map[string]string{"_self": self}
	if to < n {
		q := c.request.URL.Query()
		q.Set("page", strconv.Itoa(to))
		next, _, _ := strings.Cut(self, "?")
		links["next"] = next + "?" + q.Encode()
	}
	return from, to, links
}

// selfURL is the request's own address at the origin of the API.
func (c *call) selfURL() string {
	u := url.URL{Path: c.request.URL.Path, RawQuery: c.request.URL.RawQuery}
	return c.origin() + u.RequestURI()
}

// origin is scheme, host and port of the API.
func (c *call) origin() string { return strings.TrimSuffix(c.base, root) }

// readDelivery reads name and delivery of an order or a subscription; whatever
// else they have is taken unseen.
func readDelivery(body []byte) (name string, delivery json.RawMessage, bad *problem) {
	members, bad := decodeObject(body, "body")
	if bad != nil {
		return "", nil, bad
	}
	for _, m := range members {
		switch m.name {
		case "name":
			if name, bad = readText(m.raw, "name"); bad != nil {
				return "", nil, bad
			}
		case "delivery":
			delivery = m.raw
		}
	}
	if name == "" || delivery == nil {
		return "", nil, badRequest("name and delivery are required")
	}
	return name, delivery, nil
}
