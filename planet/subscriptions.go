package planet

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// SubscriptionStatus is how a subscription is doing, as written on the wire.
type SubscriptionStatus string

// The statuses that Planet documents.
const (
	SubscriptionRunning   SubscriptionStatus = "running"
	SubscriptionCancelled SubscriptionStatus = "cancelled"
	SubscriptionPreparing SubscriptionStatus = "preparing"
	SubscriptionPending   SubscriptionStatus = "pending"
	SubscriptionCompleted SubscriptionStatus = "completed"
	SubscriptionSuspended SubscriptionStatus = "suspended"
	SubscriptionFailed    SubscriptionStatus = "failed"
	SubscriptionInvalid   SubscriptionStatus = "invalid"
)

// Subscription is what is read of a subscription.
type Subscription struct {
	// ID names the subscription.
	ID string `json:"id"`
	// Name is what its user called it.
	Name string `json:"name,omitempty"`
	// Status is how it is doing.
	Status SubscriptionStatus `json:"status"`
	// Created and Updated are Planet's times; zero where they can't be read.
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
	// Ref is as in [Order].
	Ref string `json:"ref,omitempty"`
}

// ResultStatus is how one delivery of a subscription ended, as on the wire.
type ResultStatus string

// The statuses of results that the official client knows.
const (
	ResultCreated    ResultStatus = "created"
	ResultQueued     ResultStatus = "queued"
	ResultProcessing ResultStatus = "processing"
	ResultFailed     ResultStatus = "failed"
	ResultSuccess    ResultStatus = "success"
)

// Result is one delivery of a subscription.
type Result struct {
	// ID names the result.
	ID string `json:"id"`
	// Status is how it ended, if it has.
	Status ResultStatus `json:"status"`
	// Errors are Planet's words on it, without what may be secret: at most ten
	// of 512 characters.
	Errors []string `json:"errors,omitempty"`
	// Cause is what all of them say, if the result failed.
	Cause Cause `json:"cause,omitempty"`
	// Created, Updated and Completed are Planet's times; zero where they can't
	// be read.
	Created   time.Time `json:"created"`
	Updated   time.Time `json:"updated"`
	Completed time.Time `json:"completed"`
}

// SubscriptionsQuery narrows a list of subscriptions.
type SubscriptionsQuery struct {
	// Ref is as in [OrdersQuery].
	Ref string
	// Statuses are those to list; none means all.
	Statuses []SubscriptionStatus
	// UpdatedSince leaves out what has not changed since; zero is no bound.
	UpdatedSince time.Time
	// AllUsers asks for those of the whole organization; for admins only.
	AllUsers bool
	// Pages bounds the requests without repetitions; 0 means 4.
	Pages int

	budget *int
}

// SubscriptionList is the answer to a [SubscriptionsQuery].
type SubscriptionList struct {
	Subscriptions []Subscription
	// Deliveries is as in [OrderList].
	Deliveries int
	// More says that there are pages that were not read.
	More bool
}

// ResultsQuery narrows a list of results.
type ResultsQuery struct {
	// Statuses are those to list; none means all.
	Statuses []ResultStatus
	// UpdatedSince leaves out what has not changed since; zero is no bound.
	UpdatedSince time.Time
	// Pages bounds the requests without repetitions; 0 means 4.
	Pages int

	budget *int
}

// ResultList is the answer to a [ResultsQuery].
type ResultList struct {
	Results []Result
	// More says that there are pages that were not read.
	More bool
}

// Subscriptions reads Planet's Subscriptions API. It is safe for concurrent use.
type Subscriptions struct{ client *Client }

// pageSize is what the official client asks for.
const pageSize = 500

// Subscriptions makes a client of the Subscriptions API, by default at the
// same origin.
func (c *Client) Subscriptions(o SiblingOptions) (*Subscriptions, error) {
	s, err := c.sibling(o, pathSubscriptions)
	if err != nil {
		return nil, fmt.Errorf("make a client of subscriptions: %w", err)
	}
	return &Subscriptions{s}, nil
}

// Limiter gives the limiter of this API.
func (s *Subscriptions) Limiter() *Limiter { return s.client.limiter }

// List gives the subscriptions that the query asks for. With an error it gives
// what was read before it. Errors are [*Error].
func (s *Subscriptions) List(ctx context.Context, q SubscriptionsQuery) (SubscriptionList, error) {
	v := url.Values{"page_size": {strconv.Itoa(pageSize)}}
	if q.Ref != "" {
		v.Set("destination_ref", q.Ref)
	}
	for _, status := range q.Statuses {
		v.Add("status", string(status))
	}
	if !q.UpdatedSince.IsZero() {
		v.Set("updated", since(q.UpdatedSince))
	}
	if q.AllUsers {
		v.Set("user_id", "all")
	}
	var got SubscriptionList
	more, e := s.client.readPages(ctx, listing{
		call: s.client.get("list subscriptions", routeSubscriptions, v, q.budget), key: "subscriptions", pages: q.Pages,
		each: func(place string, raw json.RawMessage) error {
			sub, err := decodeSubscription(place, raw)
			if err == nil {
				got.Subscriptions = append(got.Subscriptions, sub)
				got.Deliveries += delivers(raw)
			}
			return err
		},
	})
	got.More = more
	if e != nil {
		return got, e
	}
	return got, nil
}

// Results gives the deliveries of one subscription that the query asks for.
// With an error it gives what was read before it. Errors are [*Error].
func (s *Subscriptions) Results(ctx context.Context, id string, q ResultsQuery) (ResultList, error) {
	v := url.Values{}
	for _, status := range q.Statuses {
		v.Add("status", string(status))
	}
	if !q.UpdatedSince.IsZero() {
		v.Set("updated", since(q.UpdatedSince))
	}
	k := s.client.get("list results of subscription", routeResults, v, q.budget)
	if err := checkItem(id); err != nil {
		return ResultList{}, k.refuse(err)
	}
	k.id = id
	at := *s.client.base
	at.Path, at.RawPath, at.RawQuery = at.Path+"/"+id+"/results", "", v.Encode()
	k.url = &at
	var got ResultList
	more, e := s.client.readPages(ctx, listing{
		call: k, key: "results", pages: q.Pages,
		each: func(place string, raw json.RawMessage) error {
			r, err := decodeResult(place, raw)
			if err == nil {
				got.Results = append(got.Results, r)
			}
			return err
		},
	})
	got.More = more
	if e != nil {
		return got, e
	}
	return got, nil
}
