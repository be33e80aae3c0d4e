package web

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/store"
)

// receipts gives those that can be read, and an error where none can. What
// can't be read is said in the log: it must not hide what can.
func (a *API) receipts(ctx context.Context) ([]store.Receipt, error) {
	all, err := a.Store.Receipts(ctx)
	if err != nil && a.Logger != nil {
		a.Logger.WarnContext(ctx, "receipts can't be read and are left out", "error", err)
	}
	if len(all) > 0 {
		return all, nil
	}
	return []store.Receipt{}, err
}

func (a *API) listReceipts(w http.ResponseWriter, r *http.Request) {
	all, err := a.receipts(r.Context())
	answer(w, all, err)
}

// statusesOf makes what is answered of records, all at one moment. It lacks
// receipts that can't be read, and nothing else.
func (a *API) statusesOf(ctx context.Context, records []store.Record) []Status {
	receipts, _ := a.receipts(ctx)
	now := time.Now()
	out := make([]Status, 0, len(records))
	for _, r := range records {
		s := StatusOf(r, now)
		s.Receipt = receiptOf(receipts, r.Secret)
		out = append(out, s)
	}
	return out
}

// receiptOf finds the receipt of a secret by any of its writings, nil if there
// is none.
func receiptOf(all []store.Receipt, writings ...credential.Secret) *store.Receipt {
	i := slices.IndexFunc(all, func(r store.Receipt) bool { return slices.Contains(writings, r.Secret) })
	if i < 0 {
		return nil
	}
	return &all[i]
}
