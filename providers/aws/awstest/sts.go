package awstest

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/testserver"
)

func formOf(body []byte) url.Values {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return url.Values{}
	}
	return form
}

// issued is what STS gives out, as XML.
type issued struct {
	XMLName xml.Name
	Result  struct {
		XMLName     xml.Name
		User        issuedUser        `xml:"AssumedRoleUser"`
		Credentials issuedCredentials `xml:"Credentials"`
	}
}

type issuedUser struct {
	ID  string `xml:"AssumedRoleId"`
	ARN string `xml:"Arn"`
}

type issuedCredentials struct {
	ID      string    `xml:"AccessKeyId"`
	Secret  string    `xml:"SecretAccessKey"`
	Token   string    `xml:"SessionToken"`
	Expires time.Time `xml:"Expiration"`
}

type stsError struct {
	XMLName xml.Name `xml:"ErrorResponse"`
	Type    string   `xml:"Error>Type"`
	Code    string   `xml:"Error>Code"`
	Message string   `xml:"Error>Message"`
}

func writeXML(a *testserver.Answer, result any, no *refusal) {
	a.Header.Set("Content-Type", "text/xml")
	if no != nil {
		result = stsError{Type: "Sender", Code: no.code, Message: no.message}
	}
	a.Body, _ = xml.Marshal(result)
}

// sts answers AssumeRole, for callers that sign, and AssumeRoleWithWebIdentity,
// for those that have a token.
func (s *Server) sts(r *http.Request, body []byte) (any, *refusal) {
	form := formOf(body)
	action := form.Get("Action")
	who := "a web identity"
	if action != "AssumeRoleWithWebIdentity" {
		k, _, no := s.authenticate(r, "sts", body)
		if no != nil {
			return nil, no
		}
		who = k.principal()
	}
	arn := form.Get("RoleArn")
	denied := &refusal{http.StatusForbidden, "AccessDenied", "User: " + who + " is not authorized to perform: sts:" + action + " on resource: " + arn}
	role := s.role(arn)
	switch {
	case action != "AssumeRole" && action != "AssumeRoleWithWebIdentity":
		return nil, &refusal{http.StatusBadRequest, "InvalidAction", "Could not find operation " + action + " for version 2011-06-15"}
	case role == nil:
		return nil, denied
	case action == "AssumeRole" && role.ExternalID != "" && role.ExternalID != form.Get("ExternalId"):
		return nil, denied
	case action == "AssumeRoleWithWebIdentity" && (role.WebIdentity == "" || role.WebIdentity != form.Get("WebIdentityToken")):
		return nil, &refusal{http.StatusBadRequest, "InvalidIdentityToken", "No OpenIDConnect provider found in your account"}
	}
	return s.issue(*role, action, form), nil
}

func (s *Server) role(arn string) *Role {
	for i := range s.roles {
		if s.roles[i].ARN == arn {
			return &s.roles[i]
		}
	}
	return nil
}

// issue makes a temporary key that acts as a role.
func (s *Server) issue(role Role, action string, form url.Values) issued {
	lasts := role.Lasts
	if asked, err := strconv.Atoi(form.Get("DurationSeconds")); lasts == 0 && err == nil {
		lasts = time.Duration(asked) * time.Second
	}
	if lasts == 0 {
		lasts = time.Hour
	}
	s.made++
	parts := strings.Split(role.ARN, ":")
	account := parts[4]
	session := strings.Replace(strings.Replace(role.ARN, ":iam:", ":sts:", 1), ":role/", ":assumed-role/", 1) + "/" + form.Get("RoleSessionName")
	k := Key{
		ID: fmt.Sprintf("ASIATEST%012d", s.made), Secret: fmt.Sprintf("secret-of-session-%d", s.made),
		Token: fmt.Sprintf("token-of-session-%d", s.made), Account: account,
		Expires: time.Now().Add(lasts).UTC().Truncate(time.Second), role: session,
	}
	s.keys[k.ID] = k
	var out issued
	out.XMLName = xml.Name{Space: "https://sts.amazonaws.com/doc/2011-06-15/", Local: action + "Response"}
	out.Result.XMLName.Local = action + "Result"
	out.Result.User = issuedUser{ID: "AROATEST:" + form.Get("RoleSessionName"), ARN: session}
	out.Result.Credentials = issuedCredentials{ID: k.ID, Secret: k.Secret, Token: k.Token, Expires: k.Expires}
	return out
}
