package s3

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

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
	call, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	out, err := b.client.ListObjectVersions(call, &s3.ListObjectVersionsInput{
		Bucket:  aws.String(b.at.Bucket),
		Prefix:  aws.String(key),
		MaxKeys: aws.Int32(versionsPage),
	})
	if err != nil {
		return 0, b.classify(ctx, bucket.OpList, err)
	}
	if out.Name == nil {
		// The SDK reads any XML as a list, a portal's page or one that has nothing
		// in it. Each of S3's names its bucket.
		return 0, &bucket.Error{Op: bucket.OpList, Kind: bucket.KindUnknown,
			Message: "the answer is no list of versions; check the endpoint, and proxies on the way"}
	}
	n := 0
	for _, v := range out.Versions { // marks of a deletion are told apart from these
		if aws.ToString(v.Key) == key {
			n++
		}
	}
	return n, nil
}
