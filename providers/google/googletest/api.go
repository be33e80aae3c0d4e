package googletest

import (
	"context"
	"hash/crc32"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/iam/apiv1/iampb"
	pb "cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// refusal is an error with the details that Google's have.
func refusal(code codes.Code, reason string, about map[string]string, message string) error {
	st, err := status.New(code, message).WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: "googleapis.com", Metadata: about})
	if err != nil {
		return err
	}
	return st.Err()
}

func missingVersion(name string) error {
	return status.Errorf(codes.NotFound, "Secret Version [%s] not found.", name)
}

func wrongState(name string, state pb.SecretVersion_State) error {
	return status.Errorf(codes.FailedPrecondition, "Secret Version [%s] is in %s state.", name, state)
}

// intercept is what every call goes through: it is recorded, suffers the
// server's troubles, and has to bring a token.
func (s *Server) intercept(ctx context.Context, in any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	method := info.FullMethod[strings.LastIndexByte(info.FullMethod, '/')+1:]
	at := s.record(ctx, method, in)
	out, err, cut := s.answer(ctx, method, in, next)
	if cut {
		if p, ok := peer.FromContext(ctx); ok {
			s.cutOff(p.Addr)
		}
		return nil, status.Error(codes.Unavailable, "cut")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[at].Code = status.Code(err).String()
	return out, err
}

func (s *Server) record(ctx context.Context, method string, in any) int {
	r := Request{Time: time.Now(), Method: method}
	switch in := in.(type) {
	case interface{ GetName() string }:
		r.Name = in.GetName()
	case interface{ GetParent() string }:
		r.Name = in.GetParent()
	case interface{ GetResource() string }:
		r.Name = in.GetResource()
	case interface{ GetSecret() *pb.Secret }:
		r.Name = in.GetSecret().GetName()
	}
	if in, ok := in.(interface{ GetFilter() string }); ok {
		r.Filter = in.GetFilter()
	}
	md, _ := metadata.FromIncomingContext(ctx)
	r.Quota = strings.Join(md.Get("x-goog-user-project"), ",")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	return len(s.requests) - 1
}

func (s *Server) cutOff(a net.Addr) {
	if run := s.running(); run != nil {
		run.conns.cut(a)
	}
}

func (s *Server) answer(ctx context.Context, method string, in any, next grpc.UnaryHandler) (out any, no error, cut bool) {
	s.mu.Lock()
	hang := s.trouble.hang[""] || s.trouble.hang[method]
	no, cut = s.trouble.refused()
	if no == nil {
		no = s.admit(ctx)
	}
	run, unhang := s.serving, s.trouble.unhang
	s.mu.Unlock()
	if hang && run != nil {
		select {
		case <-unhang:
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err(), false
		case <-run.ended:
			return nil, status.Error(codes.Unavailable, "closed"), false
		}
	}
	if no != nil || cut {
		return nil, no, cut
	}
	out, no = next(ctx, in)
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.trouble.rename; f != nil && no == nil {
		rename(out, f)
	}
	return out, no, false
}

// rename gives the secret, or the versions, in an answer other names.
func rename(out any, f func(string) string) {
	switch out := out.(type) {
	case *pb.Secret:
		out.Name = f(out.GetName())
	case *pb.SecretVersion:
		out.Name = f(out.GetName())
	case *pb.AccessSecretVersionResponse:
		out.Name = f(out.GetName())
	case *pb.ListSecretVersionsResponse:
		for _, v := range out.GetVersions() {
			v.Name = f(v.GetName())
		}
	}
}

// admit checks the bearer token.
func (s *Server) admit(ctx context.Context) error {
	md, _ := metadata.FromIncomingContext(ctx)
	token, _ := strings.CutPrefix(strings.Join(md.Get("authorization"), ","), "Bearer ")
	end, ok := s.tokens[token]
	if token == "" {
		return refusal(codes.Unauthenticated, "CREDENTIALS_MISSING", map[string]string{"service": "secretmanager.googleapis.com"},
			"Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.")
	}
	if !ok || time.Now().After(end) {
		return refusal(codes.Unauthenticated, "ACCESS_TOKEN_EXPIRED", map[string]string{"service": "secretmanager.googleapis.com"},
			"Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.")
	}
	return nil
}

// find gives a secret that may be used with a permission. As Google's, it
// checks the permission before it says what there is.
func (s *Server) find(name, permission, resource string) (*secret, error) {
	canonical, err := s.canonical(name)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, "The resource name is not a valid name of a secret.")
	}
	denied := refusal(codes.PermissionDenied, "IAM_PERMISSION_DENIED", map[string]string{"permission": permission, "resource": resource},
		"Permission '"+permission+"' denied for resource '"+resource+"' (or it may not exist).")
	if canonical == "" {
		return nil, denied
	}
	if number := strings.Split(canonical, "/")[1]; s.disabled[number] {
		return nil, refusal(codes.PermissionDenied, "SERVICE_DISABLED", map[string]string{"service": "secretmanager.googleapis.com", "consumer": "projects/" + number},
			"Secret Manager API has not been used in project "+number+" before or it is disabled. Enable it by visiting "+
				"https://console.developers.google.com/apis/api/secretmanager.googleapis.com/overview?project="+number+" then retry.")
	}
	x := s.secrets[canonical]
	switch {
	case x == nil, !x.expires.IsZero() && time.Now().After(x.expires):
		return nil, status.Errorf(codes.NotFound, "Secret [%s] not found.", canonical)
	case x.deny[permission]:
		return nil, denied
	}
	return x, nil
}

// findVersion gives a version that may be used with a permission. l is how
// "latest", and if numbered how numbers too, lag.
func (s *Server) findVersion(name, permission string, numbered bool) (*secret, int64, version, error) {
	of, which := splitVersion(name)
	x, err := s.find(of, permission, name)
	if err != nil {
		return nil, 0, version{}, err
	}
	if which == "latest" {
		versions := x.seen(&x.lists)
		all := newest(versions)
		if len(all) == 0 {
			return nil, 0, version{}, status.Errorf(codes.NotFound, "Secret [%s] not found or has no versions.", x.name)
		}
		return x, all[0], versions[all[0]], nil
	}
	n, err := strconv.ParseInt(which, 10, 64)
	if err != nil || n < 1 {
		return nil, 0, version{}, status.Error(codes.InvalidArgument, "The resource name is not a valid name of a version.")
	}
	versions := x.versions
	if numbered {
		versions = x.seen(&x.gets)
	}
	v, ok := versions[n]
	if !ok {
		return nil, 0, version{}, missingVersion(x.versionName(n))
	}
	return x, n, v, nil
}

// ListSecretVersions implements the API.
func (s *Server) ListSecretVersions(_ context.Context, in *pb.ListSecretVersionsRequest) (*pb.ListSecretVersionsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.find(in.GetParent(), "secretmanager.versions.list", in.GetParent())
	if err != nil {
		return nil, err
	}
	var only []string
	if f := strings.NewReplacer("state:", "", "state=", "", "(", "", ")", "").Replace(in.GetFilter()); f != "" && !s.trouble.noFilter {
		only = strings.Split(strings.ToUpper(f), " OR ")
	}
	below := int64(1) << 62
	if t := in.GetPageToken(); t != "" {
		if below, err = strconv.ParseInt(t, 10, 64); err != nil {
			return nil, status.Error(codes.InvalidArgument, "The page token is not valid.")
		}
	}
	size := int(in.GetPageSize())
	if size == 0 {
		size = 100
	}
	out := &pb.ListSecretVersionsResponse{}
	versions := x.seen(&x.lists)
	for _, n := range newest(versions) {
		v := versions[n]
		if only != nil && !slices.Contains(only, v.state.String()) {
			continue
		}
		out.TotalSize++
		if n >= below || out.GetNextPageToken() != "" {
			continue
		}
		if len(out.GetVersions()) == size {
			out.NextPageToken = strconv.FormatInt(n+1, 10)
			continue
		}
		out.Versions = append(out.Versions, x.message(n, v))
	}
	return out, nil
}

// GetSecretVersion implements the API.
func (s *Server) GetSecretVersion(_ context.Context, in *pb.GetSecretVersionRequest) (*pb.SecretVersion, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, n, v, err := s.findVersion(in.GetName(), "secretmanager.versions.get", true)
	if err != nil {
		return nil, err
	}
	return x.message(n, v), nil
}

// AccessSecretVersion implements the API.
func (s *Server) AccessSecretVersion(_ context.Context, in *pb.AccessSecretVersionRequest) (*pb.AccessSecretVersionResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, n, v, err := s.findVersion(in.GetName(), "secretmanager.versions.access", false)
	if err != nil {
		return nil, err
	}
	if v.state != pb.SecretVersion_ENABLED {
		return nil, wrongState(x.versionName(n), v.state)
	}
	sum := int64(crc32.Checksum(v.value, castagnoli))
	payload := &pb.SecretPayload{Data: slices.Clone(v.value), DataCrc32C: &sum}
	if s.trouble.corrupt > 0 && len(payload.Data) > 0 {
		s.trouble.corrupt--
		payload.Data[len(payload.Data)-1] ^= 1
	}
	if s.trouble.bare > 0 {
		s.trouble.bare--
		payload.DataCrc32C = nil
	}
	return &pb.AccessSecretVersionResponse{Name: x.versionName(n), Payload: payload}, nil
}

// TestIamPermissions implements the API: it needs no permission itself, and of a
// secret that does not exist it says that nothing is permitted.
func (s *Server) TestIamPermissions(_ context.Context, in *iampb.TestIamPermissionsRequest) (*iampb.TestIamPermissionsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &iampb.TestIamPermissionsResponse{}
	canonical, err := s.canonical(in.GetResource())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, "The resource name is not a valid name of a secret.")
	}
	for _, p := range in.GetPermissions() {
		if x := s.secrets[canonical]; x != nil && !x.deny[p] {
			out.Permissions = append(out.Permissions, p)
		}
	}
	return out, nil
}

// CreateSecret implements the API.
func (s *Server) CreateSecret(_ context.Context, in *pb.CreateSecretRequest) (*pb.Secret, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.create(in.GetParent() + "/secrets/" + in.GetSecretId())
	if err != nil {
		return nil, status.Errorf(codes.AlreadyExists, "Secret can't be created: %v", err)
	}
	return &pb.Secret{Name: x.name, CreateTime: timestamppb.New(x.created)}, nil
}

// AddSecretVersion implements the API.
func (s *Server) AddSecretVersion(_ context.Context, in *pb.AddSecretVersionRequest) (*pb.SecretVersion, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.find(in.GetParent(), "secretmanager.versions.add", in.GetParent())
	if err != nil {
		return nil, err
	}
	n := x.add(in.GetPayload().GetData())
	return x.message(n, x.versions[n]), nil
}

// DeleteSecret implements the API.
func (s *Server) DeleteSecret(_ context.Context, in *pb.DeleteSecretRequest) (*emptypb.Empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.find(in.GetName(), "secretmanager.secrets.delete", in.GetName())
	if err != nil {
		return nil, err
	}
	delete(s.secrets, x.name)
	return &emptypb.Empty{}, nil
}

// DisableSecretVersion implements the API.
func (s *Server) DisableSecretVersion(_ context.Context, in *pb.DisableSecretVersionRequest) (*pb.SecretVersion, error) {
	return s.set(in.GetName(), "secretmanager.versions.disable", func(v *version) { v.state = pb.SecretVersion_DISABLED })
}

// EnableSecretVersion implements the API.
func (s *Server) EnableSecretVersion(_ context.Context, in *pb.EnableSecretVersionRequest) (*pb.SecretVersion, error) {
	return s.set(in.GetName(), "secretmanager.versions.enable", func(v *version) { v.state, v.scheduled = pb.SecretVersion_ENABLED, time.Time{} })
}

// DestroySecretVersion implements the API.
func (s *Server) DestroySecretVersion(_ context.Context, in *pb.DestroySecretVersionRequest) (*pb.SecretVersion, error) {
	return s.set(in.GetName(), "secretmanager.versions.destroy", func(v *version) {
		v.state, v.destroyed, v.value = pb.SecretVersion_DESTROYED, time.Now(), nil
	})
}

func (s *Server) set(name, permission string, f func(*version)) (*pb.SecretVersion, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, n, _, err := s.findVersion(name, permission, false)
	if err != nil {
		return nil, err
	}
	if err := x.set(n, f); err != nil {
		return nil, err
	}
	return x.message(n, x.versions[n]), nil
}
