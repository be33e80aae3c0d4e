package azureblob

import (
	"context"

	"github.com/rotatord/rotatord/bucket"
)

// unresolved is said of an account's host whose name does not resolve. Azure has
// no name for an account that does not exist, and a private DNS zone that lacks a
// record gives the same for one that does. So it says nothing of the account.
const unresolved = "its name does not resolve: there is no such storage account, or DNS here does not know it (a private DNS zone without a record, a wrong storage_endpoint_suffix)"

// unheard makes the error of a request that got no answer. A transport's error
// may quote the URL, so only what is known by its type is told.
func (c *container) unheard(ctx context.Context, op bucket.Op, err error) *bucket.Error {
	say, cause := bucket.Silence(ctx, err, unresolved)
	return &bucket.Error{Op: op, Kind: bucket.KindUnreachable, Message: c.where.host + ": " + say, Err: cause}
}
