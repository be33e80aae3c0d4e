package payload

import "slices"

// Shape is the form in which an event came. The set is closed: metrics use it
// as a label.
type Shape string

// The shapes of events, whatever they were wrapped in.
const (
	AWSLabel        Shape = "aws_label"         // Secrets Manager's own "Secret Label Updated"
	AWSAPICall      Shape = "aws_api_call"      // a call, through CloudTrail
	AWSServiceEvent Shape = "aws_service_event" // a rotation's outcome, through CloudTrail
	Google          Shape = "google"            // Secret Manager, through Pub/Sub
	EventGrid       Shape = "event_grid"        // Key Vault, in Event Grid's schema
	CloudEvent      Shape = "cloud_event"       // Key Vault, in CloudEvents 1.0
	Plain           Shape = "plain"             // rotatord's own
)

// Shapes lists every Shape.
func Shapes() []Shape {
	return []Shape{AWSLabel, AWSAPICall, AWSServiceEvent, Google, EventGrid, CloudEvent, Plain}
}

// Kind names a part of a message that did not become an event. The set is
// closed: metrics use it as a label.
type Kind string

// What was not understood.
const (
	TooLarge      Kind = "too_large"      // a body of more than MaxSize
	TooDeep       Kind = "too_deep"       // wrapped more than MaxDepth times
	TooMany       Kind = "too_many"       // parts beyond MaxEvents, all of them
	NotJSON       Kind = "not_json"       // neither JSON nor base64 of it
	Ambiguous     Kind = "ambiguous"      // a key with two values
	NoShape       Kind = "no_shape"       // JSON of no known shape
	AWSOther      Kind = "aws_other"      // another service's, or unknown by name
	AWSInvalid    Kind = "aws_invalid"    // no secret in it
	GoogleOther   Kind = "google_other"   // an unknown eventType
	GoogleInvalid Kind = "google_invalid" // no secret in it
	AzureOther    Kind = "azure_other"    // another service's, or unknown by name
	AzureInvalid  Kind = "azure_invalid"  // no secret in it
	PlainInvalid  Kind = "plain_invalid"  // a field that can't be what it should
)

// What was understood and ignored.
const (
	AWSFailedCall         Kind = "aws_failed_call"         // it has an errorCode and changed nothing
	AWSNoChange           Kind = "aws_no_change"           // a call that leaves AWSCURRENT where it is
	AWSPending            Kind = "aws_pending"             // the label of a version that is not ready
	AWSRotationStarted    Kind = "aws_rotation_started"    // nothing to read yet
	AWSTestRotation       Kind = "aws_test_rotation"       // changes no label
	SNSConfirmation       Kind = "sns_confirmation"        // the transport's business
	GoogleRotationDue     Kind = "google_rotation_due"     // due, not done
	GoogleTopicConfigured Kind = "google_topic_configured" // the topic was tried out
	AzureNoSecret         Kind = "azure_no_secret"         // about a key, a certificate or access
	AzureSubscription     Kind = "azure_subscription"      // the transport's business
)

var unknownKinds = []Kind{
	TooLarge, TooDeep, TooMany, NotJSON, Ambiguous, NoShape, AWSOther, AWSInvalid,
	GoogleOther, GoogleInvalid, AzureOther, AzureInvalid, PlainInvalid,
}

var ignoredKinds = []Kind{
	AWSFailedCall, AWSNoChange, AWSPending, AWSRotationStarted, AWSTestRotation, SNSConfirmation,
	GoogleRotationDue, GoogleTopicConfigured, AzureNoSecret, AzureSubscription,
}

// Kinds lists every Kind. None is both among Unknown and among Ignored.
func Kinds() []Kind { return slices.Concat(unknownKinds, ignoredKinds) }
