package s3

import (
	"context"
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"

	"github.com/rotatord/rotatord/bucket"
)

// versionsPage is how many versions one page holds, the most that S3 gives, and
// maxVersions bounds what is read of it: some 500 bytes for each.
const (
	versionsPage = 1000
	maxVersions  = 4 << 20
)

// Versions implements bucket.Versioner. A list is in the order of keys, so that
// of all keys that begin with this one it comes first. The permission is
// s3:ListBucketVersions, which is another than the one to list objects.
func (b *s3Bucket) Versions(ctx context.Context, key string) (int, error) {
	got, err := b.ask(ctx, request{op: bucket.OpList, method: http.MethodGet, limit: maxVersions,
		query: url.Values{"versions": {""}, "prefix": {key}, "max-keys": {strconv.Itoa(versionsPage)}}})
	if err != nil {
		return 0, err
	}
	var list struct {
		Name     string
		Versions []struct{ Key string } `xml:"Version"` // marks of a deletion are told apart from these
	}
	// Each of S3's lists names its bucket; a portal's page does not.
	if err := xml.Unmarshal(got.body, &list); err != nil || list.Name == "" {
		return 0, &bucket.Error{Op: bucket.OpList, Kind: bucket.KindUnknown,
			Message: "the answer is no list of versions; check the endpoint, and proxies on the way"}
	}
	n := 0
	for _, v := range list.Versions {
		if v.Key == key {
			n++
		}
	}
	return n, nil
}
