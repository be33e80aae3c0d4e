package planet

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"
)

// OrderState is how far an order has come, as written on the wire. Others than
// these are not an error: the API may grow.
type OrderState string

// The states that Planet documents.
const (
	OrderQueued    OrderState = "queued"
	OrderRunning   OrderState = "running"
	OrderFailed    OrderState = "failed"
	OrderSuccess   OrderState = "success"
	OrderPartial   OrderState = "partial"
	OrderCancelled OrderState = "cancelled"
)

// Order is what is read of an order; the rest of it, among it what it delivers
// and how, is dropped unread.
type Order struct {
	// ID names the order.
	ID string `json:"id"`
	// Name is what its user called it.
	Name string `json:"name,omitempty"`
	// State is how far it has come.
	State OrderState `json:"state"`
	// LastMessage is Planet's word on it, without what may be secret, at most
	// 512 characters.
	LastMessage string `json:"last_message,omitempty"`
	// ErrorHints are at most ten more of such texts.
	ErrorHints []string `json:"error_hints,omitempty"`
	// Cause is what the texts say, looked for in all of them and before they
	// were shortened, if the order failed in whole or in part.
	Cause Cause `json:"cause,omitempty"`
	// Created and Modified are Planet's times; zero where they can't be read.
	Created  time.Time `json:"created"`
	Modified time.Time `json:"modified"`
	// Ref is the reference to the destination as the order holds it, in
	// whichever form; empty if the order delivers elsewhere, or the answer does
	// not show it.
	Ref string `json:"ref,omitempty"`
}

// OrdersQuery narrows a list of orders.
type OrdersQuery struct {
	// Ref is a reference as orders hold it, compared by Planet; empty asks for
	// all. Whether Planet takes "pl:destinations/demo-5aIp1K" and
	// "pl:destinations/5aIp1K" for the same is not documented.
	Ref string
	// States are those to list; none means all.
	States []OrderState
	// ModifiedSince leaves out what has not changed since; zero is no bound.
	ModifiedSince time.Time
	// AllUsers asks for the orders of the whole organization; for admins only.
	AllUsers bool
	// Pages bounds the requests without repetitions; 0 means 4.
	Pages int

	budget *int
}

// OrderList is the answer to an [OrdersQuery].
type OrderList struct {
	Orders []Order
	// Deliveries counts those of them that show where they deliver, to a
	// destination or elsewhere.
	Deliveries int
	// More says that there are pages that were not read.
	More bool
}

// Orders reads Planet's Orders API. It is safe for concurrent use.
type Orders struct{ client *Client }

// Orders makes a client of the Orders API, by default at the same origin.
func (c *Client) Orders(o SiblingOptions) (*Orders, error) {
	s, err := c.sibling(o, pathOrders)
	if err != nil {
		return nil, fmt.Errorf("make a client of orders: %w", err)
	}
	return &Orders{s}, nil
}

// Limiter gives the limiter of this API.
func (o *Orders) Limiter() *Limiter { return o.client.limiter }

// List gives the orders that the query asks for, those of scenes, basemaps and
// all other sources. With an error it gives what was read before it. Errors are
// [*Error].
func (o *Orders) List(ctx context.Context, q OrdersQuery) (OrderList, error) {
	v := url.Values{"source_type": {"all"}}
	if q.Ref != "" {
		v.Set("destination_ref", q.Ref)
	}
	for _, s := range q.States {
		v.Add("state", string(s))
	}
	if !q.ModifiedSince.IsZero() {
		v.Set("last_modified", since(q.ModifiedSince))
	}
	if q.AllUsers {
		v.Set("user_id", "all")
	}
	var got OrderList
	more, e := o.client.readPages(ctx, listing{
		call: o.client.get("list orders", routeOrders, v, q.budget), key: "orders", pages: q.Pages,
		each: func(place string, raw json.RawMessage) error {
			order, err := decodeOrder(place, raw)
			if err == nil {
				got.Orders = append(got.Orders, order)
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

// since is an interval that is open at its end, as Planet writes it.
func since(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") + "/.." }
