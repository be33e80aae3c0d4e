package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/rotatord/rotatord/watcher"
)

// cloudOnly is what Send of an endpoint answers that only its cloud can call.
func (g *gate) cloudOnly(instead string) error {
	return g.fault("send to", watcher.ReasonInvalid, errors.New("only the cloud itself can sign for this webhook"), instead)
}

// post sends to the endpoint itself, over the network. The URL is configured,
// and no caller of the webhook has a part in it.
func (g *gate) post(ctx context.Context, self func() string, body []byte, header http.Header) error {
	address := ""
	if self != nil {
		address = self()
	}
	if address == "" {
		return g.fault("send to", watcher.ReasonInvalid, errors.New("its own address is not known"), "configure the URL of the webhook, or let rotatord run")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return g.fault("send to", watcher.ReasonInvalid, errors.New("its own address is no URL"), "")
	}
	req.Header = header
	req.Header.Set("Content-Type", "application/json")
	resp, err := g.client.Do(req)
	if err != nil {
		return g.fault("send to", watcher.ReasonUnavailable, plainly(err), "does the URL lead to rotatord's listener for webhooks?")
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4096)) // lets the connection be used again
	reason := watcher.ReasonUnavailable
	switch resp.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusUnauthorized, http.StatusForbidden:
		reason = watcher.ReasonDenied
	case http.StatusNotFound:
		reason = watcher.ReasonNotFound
	case http.StatusTooManyRequests:
		reason = watcher.ReasonThrottled
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge:
		reason = watcher.ReasonInvalid
	}
	return g.fault("send to", reason, fmt.Errorf("the answer has status %d", resp.StatusCode), "")
}
