package gcs

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/rotatord/rotatord/bucket"
)

// maxAnswer bounds what is read of an answer that is no download.
const maxAnswer = 256 << 10

// reply is an answer that was read. Its status and date are told even when the
// reading did not come to an end.
type reply struct {
	status int
	header http.Header
	body   []byte
	date   time.Time
}

// send makes one attempt and reads at most limit bytes of the answer; zero
// stands for what Get reads of a download, and for maxAnswer of a refusal.
func (b *gcsBucket) send(r *http.Request, limit int64) (reply, error) {
	resp, err := b.http.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	got := reply{status: resp.StatusCode, header: resp.Header}
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		got.date = at
	}
	if limit == 0 {
		limit = maxAnswer
		if resp.StatusCode < 300 {
			limit = bucket.MaxBody
		}
	}
	got.body, err = io.ReadAll(io.LimitReader(resp.Body, limit))
	return got, err
}

// silence makes the error of a request without an answer.
func (b *gcsBucket) silence(ctx context.Context, op bucket.Op, host string, err error) *bucket.Error {
	why, cause := bucket.Silence(ctx, err, "its name does not resolve; check the endpoint and DNS")
	return &bucket.Error{Op: op, Kind: bucket.KindUnreachable, Message: host + ": " + why, Err: cause}
}
