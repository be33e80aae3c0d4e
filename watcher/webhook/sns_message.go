package webhook

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // signature version 1 of SNS is SHA-1; topics can be set to version 2
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/shape"
)

// The types of messages of SNS.
const (
	snsNotification = "Notification"
	snsConfirm      = "SubscriptionConfirmation"
	snsUnsubscribed = "UnsubscribeConfirmation"
)

// snsMessage is the envelope of SNS.
type snsMessage struct {
	Type             string
	MessageID        string `json:"MessageId"`
	TopicArn         string
	Subject          *string // signed if it is there, even if it is empty
	Message          string
	Timestamp        string
	Token            string
	SubscribeURL     string
	SignatureVersion string
	Signature        string
	SigningCertURL   string
}

var errEnvelope = errors.New("not an envelope of SNS")

func parseSNS(body []byte) (*snsMessage, error) {
	var m *snsMessage
	if json.Unmarshal(body, &m) != nil || m == nil {
		return nil, errEnvelope
	}
	switch m.Type {
	case snsNotification, snsConfirm, snsUnsubscribed:
	default:
		return nil, errEnvelope
	}
	if m.MessageID == "" || m.TopicArn == "" || m.Timestamp == "" || m.Signature == "" || len(m.MessageID) > 100 {
		return nil, errEnvelope
	}
	return m, nil
}

// canonical is the text that SNS signs: names and values of certain fields in
// alphabetical order, a line each.
func (m *snsMessage) canonical() []byte {
	var b strings.Builder
	line := func(name, value string) { b.WriteString(name + "\n" + value + "\n") }
	line("Message", m.Message)
	line("MessageId", m.MessageID)
	if m.Type == snsNotification {
		if m.Subject != nil {
			line("Subject", *m.Subject)
		}
		line("Timestamp", m.Timestamp)
	} else {
		line("SubscribeURL", m.SubscribeURL)
		line("Timestamp", m.Timestamp)
		line("Token", m.Token)
	}
	line("TopicArn", m.TopicArn)
	line("Type", m.Type)
	return []byte(b.String())
}

// ambiguous tells whether a line break in a value could make the canonical text
// mean something else. Only Message and Subject may hold any; SNS refuses to
// publish subjects that do. A message whose text ends like the lines that
// follow is told apart by the type: that is the last line in any case.
func (m *snsMessage) ambiguous() bool {
	for _, value := range []string{m.MessageID, m.Timestamp, m.Token, m.SubscribeURL, m.TopicArn} {
		if strings.Contains(value, "\n") {
			return true
		}
	}
	return m.Subject != nil && strings.Contains(*m.Subject, "\n")
}

// signedBy tells whether the signature is right.
func (m *snsMessage) signedBy(key *rsa.PublicKey) bool {
	signature, err := base64.StdEncoding.DecodeString(m.Signature)
	if err != nil || m.ambiguous() {
		return false
	}
	switch m.SignatureVersion {
	case "1":
		sum := sha1.Sum(m.canonical()) //nolint:gosec // see the import
		return rsa.VerifyPKCS1v15(key, crypto.SHA1, sum[:], signature) == nil
	case "2":
		sum := sha256.Sum256(m.canonical())
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
	}
	return false
}

// signedFields is the envelope again, with nothing in it but what was signed.
// What came may hold a field twice, or once more in other letters, and another
// reader might take the one that was not looked at here.
func (m *snsMessage) signedFields() ([]byte, error) {
	return json.Marshal(struct {
		Type      string
		MessageID string `json:"MessageId"`
		TopicArn  string
		Subject   *string `json:",omitempty"`
		Message   string
		Timestamp string
	}{m.Type, m.MessageID, m.TopicArn, m.Subject, m.Message, m.Timestamp})
}

// sent is when SNS got the message.
func (m *snsMessage) sent() (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, m.Timestamp)
	return t, err == nil
}

var (
	certPath = shape.Of(`^/SimpleNotificationService-([0-9A-Za-z]+)\.pem$`, 0, 64)
	topicARN = shape.Of(`^arn:(aws|aws-cn|aws-us-gov|aws-eusc):sns:([a-z0-9]+(?:-[a-z0-9]+){2,4}):[0-9]{12}:([A-Za-z0-9_-]+)$`, 0, 0, 0, 256)
)

// domains are where the services of a partition are.
var domains = map[string]string{
	"aws": "amazonaws.com", "aws-us-gov": "amazonaws.com", "aws-cn": "amazonaws.com.cn", "aws-eusc": "amazonaws.eu",
}

// topic is a configured topic and what follows from it.
type topic struct {
	arn   string
	host  string   // of SNS in the topic's region
	names []string // that the certificate it signs with may bear
}

// topicOf reads the ARN of a topic. A FIFO topic (".fifo") can't send to HTTPS.
func topicOf(arn string) (*topic, bool) {
	parts := topicARN.FindStringSubmatch(arn)
	if parts == nil {
		return nil, false
	}
	region, domain := parts[2], domains[parts[1]]
	t := &topic{arn: arn, host: "sns." + region + "." + domain}
	// The names as the AWS SDK for Java knows them (SnsHostProvider): older
	// regions share one, newer ones have their own, China and the government
	// spell theirs with a hyphen. All are of AWS and of SNS.
	t.names = []string{"sns." + domain, "sns-signing." + region + "." + domain, "sns-" + region + "." + domain, t.host}
	if parts[1] == "aws-us-gov" {
		t.names = append(t.names, "sns-us-gov-west-1."+domain)
	}
	return t, true
}

// certificateFile gives the path of a signing certificate if it is one at the
// topic's own SNS.
func (t *topic) certificateFile(address string) (string, bool) {
	if len(address) > 256 {
		return "", false
	}
	u, err := url.Parse(address)
	if err != nil || !certPath.MatchString(u.Path) {
		return "", false
	}
	// Written again from its parts it must be the same: so there is no port, user,
	// query or fragment, nothing escaped, and no other scheme.
	return u.Path, address == "https://"+t.host+u.Path
}

// confirmation is where a subscription is confirmed. Nothing in it is taken
// from the message but the token, and that is escaped.
func (t *topic) confirmation(token string) string {
	return "https://" + t.host + "/?" + url.Values{
		"Action": {"ConfirmSubscription"}, "TopicArn": {t.arn}, "Token": {token},
	}.Encode()
}
