// Package bucket is the contract for reaching one storage bucket with one
// credential: put, get and delete a single small object, list a few, and say
// in one vocabulary why it was not possible.
//
// It exists for two callers. The probe asks whether a credential can do what
// Planet needs and whether a planetverify.txt was left behind; the simulator
// verifies credentials as Planet does. Both need to tell "this key may not
// delete" from "this key is unknown" from "nobody answered", so the errors
// matter more here than the objects: every implementation returns an
// [*Error] whose [Kind] says which.
//
// There is one folder a kind of bucket below this one. None of them is
// imported by the logic that uses buckets; an [Opener] for each is put into a
// [Kinds] map where the program is built.
package bucket

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/credential"
)

// Bucket is one bucket or container reached with one credential. All methods
// are safe for concurrent use, make a single attempt, and return an [*Error].
type Bucket interface {
	// Put writes a small object, replacing what was there.
	Put(ctx context.Context, key string, body []byte) error
	// Get reads what is known of an object and at most its first MaxBody
	// bytes. It is a ranged GET and never a HEAD: a HEAD has no body, so that
	// a missing permission and an unknown key look alike. A missing object is
	// KindNotFound, or KindDenied where the credential may not list.
	Get(ctx context.Context, key string) (Object, error)
	// Delete removes one object. Deleting what is not there is no error, but to
	// one who may not delete at all: that is KindDenied, whose [Error.Object] says
	// whether the object is there, where the credential may see it.
	Delete(ctx context.Context, key string) error
}

// Lister is what a Bucket is beside that where Planet needs to list too, as it
// does for Azure. A Bucket that can't tell, or whose kind does not ask for it,
// is no Lister.
type Lister interface {
	// List asks for at most one object whose key begins with prefix and throws
	// the answer away: nil means that listing is permitted, whether or not there
	// was one. Like the methods of Bucket it makes a single attempt, is safe for
	// concurrent use and returns an [*Error], of OpList.
	List(ctx context.Context, prefix string) error
}

// Versioner is what a Bucket is beside that can tell how many versions of an
// object it keeps.
type Versioner interface {
	// Versions counts the versions of one object that hold data, the current one
	// included and marks of a deletion not, as far as one page of a list tells. A
	// bucket without versions has one of an object that is there. Most
	// credentials are not permitted to ask: that is KindDenied, of OpList.
	Versions(ctx context.Context, key string) (int, error)
}

// MaxBody bounds what Get reads of an object.
const MaxBody = 1024

// Object is what a Get tells of one object.
type Object struct {
	Key  string
	Body []byte // the first MaxBody bytes
	Size int64
	// LastModified and ServerTime are both the server's own clock, so that
	// their difference is an age whatever our clock says. Zero when not told.
	LastModified time.Time
	ServerTime   time.Time
}

// Location says where a bucket is, in Planet's structural parameters. Which
// fields matter depends on Type.
type Location struct {
	Type      string // Planet's destination type, "amazon_s3"
	Bucket    string
	Region    string // aws_region for amazon_s3
	Endpoint  string // s3_compatible; elsewhere an override for private clouds and tests
	Namespace string // oracle_cloud_storage
	Account   string // azure_blob_storage
	Container string // azure_blob_storage
	Suffix    string // azure_blob_storage: storage_endpoint_suffix
	PathStyle bool   // s3_compatible: use_path_style; implied by Oracle and by an Endpoint override of amazon_s3
	// ExplicitSSE is amazon_s3's explicit_sse: puts ask for encryption in so
	// many words, which some bucket policies demand. Without it a preflight
	// would be refused where Planet is not.
	ExplicitSSE bool
}

// Opener makes a Bucket from a location and a credential without touching the
// network. It copies what it needs of the parameters: the caller may clear
// them once it is done with the Bucket. Its errors are [*Error] of KindConfig.
type Opener func(Location, credential.Parameters) (Bucket, error)

// Kinds holds the Opener of each destination type that is built in.
type Kinds map[string]Opener

// Open finds the Opener for the location's type.
func (k Kinds) Open(at Location, with credential.Parameters) (Bucket, error) {
	open, ok := k[at.Type]
	if !ok {
		known := make([]string, 0, len(k))
		for t := range k {
			known = append(known, t)
		}
		slices.Sort(known)
		return nil, &Error{Op: OpOpen, Kind: KindUnsupported,
			Message: fmt.Sprintf("no bucket access is built in for type %q; known: %s", at.Type, strings.Join(known, ", "))}
	}
	return open(at, with)
}
