package bucket

import (
	"encoding/json"
	"fmt"
)

// The destination types of Planet that have a bucket behind them.
const (
	TypeAmazonS3           = "amazon_s3"
	TypeGoogleCloudStorage = "google_cloud_storage"
	TypeAzureBlobStorage   = "azure_blob_storage"
	TypeOracleCloudStorage = "oracle_cloud_storage"
	TypeS3Compatible       = "s3_compatible"
)

// redacted is what Planet's answers hold in place of a credential.
const redacted = "<REDACTED>"

// textField and flagField tie one of Planet's structural parameters to the
// field of Location that takes it.
type textField struct {
	name     string
	optional bool
	into     func(*Location) *string
}

type flagField struct {
	name string
	into func(*Location) *bool
}

func bucketField(l *Location) *string { return &l.Bucket }
func regionField(l *Location) *string { return &l.Region }

// fieldsOf lists what each type is located by, in Planet's own names.
func fieldsOf(typ string) (texts []textField, flags []flagField, known bool) {
	switch typ {
	case TypeAmazonS3:
		return []textField{
				{name: "bucket", into: bucketField},
				{name: "aws_region", into: regionField},
			}, []flagField{
				{name: "explicit_sse", into: func(l *Location) *bool { return &l.ExplicitSSE }},
			}, true
	case TypeGoogleCloudStorage:
		return []textField{{name: "bucket", into: bucketField}}, nil, true
	case TypeAzureBlobStorage:
		return []textField{
			{name: "account", into: func(l *Location) *string { return &l.Account }},
			{name: "container", into: func(l *Location) *string { return &l.Container }},
			{name: "storage_endpoint_suffix", optional: true, into: func(l *Location) *string { return &l.Suffix }},
		}, nil, true
	case TypeOracleCloudStorage:
		return []textField{
			{name: "bucket", into: bucketField},
			{name: "region", into: regionField},
			{name: "namespace", into: func(l *Location) *string { return &l.Namespace }},
		}, nil, true
	case TypeS3Compatible:
		return []textField{
				{name: "bucket", into: bucketField},
				{name: "region", into: regionField},
				{name: "endpoint", into: func(l *Location) *string { return &l.Endpoint }},
			}, []flagField{
				{name: "use_path_style", into: func(l *Location) *bool { return &l.PathStyle }},
			}, true
	}
	return nil, nil, false
}

// ParseLocation reads where a destination's bucket is from its type and from
// the parameters as Planet shows them. Credential fields, redacted or not, and
// fields it does not know are passed over. It fails with an [*Error] of
// KindConfig that names the field, or of KindUnsupported for another type, and
// never quotes a value: the parameters may hold a credential.
func ParseLocation(typ string, parameters json.RawMessage) (Location, error) {
	texts, flags, known := fieldsOf(typ)
	if !known {
		return Location{}, &Error{Op: OpOpen, Kind: KindUnsupported,
			Message: "this destination type is not known; known are amazon_s3, azure_blob_storage, google_cloud_storage, oracle_cloud_storage and s3_compatible"}
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(parameters, &fields); err != nil || fields == nil {
		return Location{}, unusable("the parameters of this %s destination are not a JSON object", typ)
	}
	at := Location{Type: typ}
	for _, f := range texts {
		raw, there := fields[f.name]
		var text *string
		if there && json.Unmarshal(raw, &text) != nil {
			return Location{}, unusable("parameter %s of this %s destination is not a string", f.name, typ)
		}
		switch {
		case text != nil && *text == redacted:
			return Location{}, unusable("parameter %s of this %s destination is redacted, where it should be in clear", f.name, typ)
		case text != nil && *text != "":
			*f.into(&at) = *text
		case !f.optional:
			return Location{}, unusable("parameter %s of this %s destination is missing", f.name, typ)
		}
	}
	for _, f := range flags {
		raw, there := fields[f.name]
		var flag *bool
		if there && json.Unmarshal(raw, &flag) != nil {
			return Location{}, unusable("parameter %s of this %s destination is neither true nor false", f.name, typ)
		}
		if flag != nil {
			*f.into(&at) = *flag
		}
	}
	return at, nil
}

func unusable(format string, args ...any) *Error {
	return &Error{Op: OpOpen, Kind: KindConfig, Message: fmt.Sprintf(format, args...)}
}

// WithEndpoint gives the location with its endpoint replaced, for private
// clouds and tests. An empty override changes nothing.
func (l Location) WithEndpoint(override string) Location {
	if override != "" {
		l.Endpoint = override
	}
	return l
}
