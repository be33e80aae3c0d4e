package rotation

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/store"
)

func TestAReceiptIsLookedAtWhenSomethingIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const secret credential.Secret = "file:///s"
		now := time.Now()
		made := func(opens time.Duration) store.Receipt {
			return store.Receipt{Secret: secret, Version: "1", Opens: now.Add(opens)}
		}
		safe, withdrawn := made(-time.Hour), made(time.Minute)
		safe.Safe, withdrawn.Withdrawn = now, now
		for _, tc := range []struct {
			name  string
			r     store.Receipt
			tries *markTries
			want  time.Duration
		}{
			{"none", store.Receipt{Secret: secret}, nil, receiptsEvery},
			{"one that opens soon", made(time.Second), nil, time.Second},
			{"one that opens late", made(time.Hour), nil, receiptsEvery},
			{"one that should be open", made(-time.Second), nil, receiptsAtOnce},
			{"one that is safe", safe, nil, receiptsEvery},
			{"one that is withdrawn", withdrawn, nil, receiptsEvery},
			{"a mark that failed", safe, &markTries{failures: 1, next: now.Add(time.Minute)}, time.Minute},
			{"a mark that is due", safe, &markTries{failures: 1, next: now}, receiptsAtOnce},
			{"a mark that was written", safe, &markTries{}, receiptsEvery},
		} {
			e := &Engine{receipts: receipts{tries: map[credential.Secret]*markTries{}}}
			if tc.tries != nil {
				e.receipts.tries[secret] = tc.tries
			}
			if got := e.receiptDue(tc.r); got != tc.want {
				t.Errorf("%s: after %v, want %v", tc.name, got, tc.want)
			}
		}
	})
}
