package googletest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode"

	pb "cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// GetSecret implements the API.
func (s *Server) GetSecret(_ context.Context, in *pb.GetSecretRequest) (*pb.Secret, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.find(in.GetName(), "secretmanager.secrets.get", in.GetName())
	if err != nil {
		return nil, err
	}
	return x.whole(), nil
}

// whole is a secret as the API gives it.
func (x *secret) whole() *pb.Secret {
	out := &pb.Secret{Name: x.name, CreateTime: timestamppb.New(x.created), Annotations: maps.Clone(x.annotations), Etag: x.etag()}
	if !x.expires.IsZero() {
		out.Expiration = &pb.Secret_ExpireTime{ExpireTime: timestamppb.New(x.expires)}
	}
	if !x.nextRotation.IsZero() {
		out.Rotation = &pb.Rotation{NextRotationTime: timestamppb.New(x.nextRotation)}
	}
	return out
}

// maxAnnotations is how many bytes keys and values of annotations may have.
const maxAnnotations = 16 << 10

// UpdateSecret implements the API, for annotations alone. Those that are sent
// take the place of all that were there.
func (s *Server) UpdateSecret(_ context.Context, in *pb.UpdateSecretRequest) (*pb.Secret, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := in.GetSecret().GetName()
	if f := s.trouble.meddle; f != nil {
		s.trouble.meddle = nil
		f()
	}
	x, err := s.find(name, "secretmanager.secrets.update", name)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(in.GetUpdateMask().GetPaths(), []string{"annotations"}) {
		return nil, status.Error(codes.InvalidArgument, "The update mask is empty or has a field that can't be updated.")
	}
	if etag := in.GetSecret().GetEtag(); etag != "" && etag != x.etag() {
		return nil, status.Errorf(codes.FailedPrecondition, "The etag provided in the request does not match the etag of Secret [%s].", x.name)
	}
	size := 0
	for key, value := range in.GetSecret().GetAnnotations() {
		size += len(key) + len(value)
		if key == "" || len(key) > 63 || strings.ContainsFunc(key, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.", r)
		}) {
			return nil, status.Error(codes.InvalidArgument, "An annotation's key is not valid.")
		}
	}
	if size > maxAnnotations {
		return nil, status.Error(codes.InvalidArgument, "The annotations are larger than 16 KiB.")
	}
	x.annotate(in.GetSecret().GetAnnotations())
	return x.whole(), nil
}

// Meddle lets somebody else replace a secret's annotations right before each of
// the next n updates is carried out.
func (s *Server) Meddle(name string, n int, all map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	canonical, err := s.canonical(name)
	if err != nil || s.secrets[canonical] == nil {
		panic("googletest: no secret " + name)
	}
	var f func()
	f = func() {
		s.secrets[canonical].annotate(all)
		if n--; n > 0 {
			s.trouble.meddle = f
		}
	}
	s.trouble.meddle = f
}
