package google

import (
	"errors"
	"strconv"
	"strings"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/shape"
)

// example is a name of the right shape.
const example = "projects/my-project/secrets/planet-gcs"

// howToFind says where a name is to be had.
const howToFind = `copy it from the console ("Resource ID" of the secret) or from "gcloud secrets describe NAME --format='value(name)'"`

// name is a secret's name taken apart.
type name struct {
	project  string // id or number
	location string // empty for a global secret
	secret   string
}

var (
	// An id has 6 to 30 characters; an old one may belong to a domain, "example.com:my-project".
	projectIDs     = shape.Of(`^([a-z0-9][a-z0-9.-]*:)?([a-z][a-z0-9-]{4,}[a-z0-9])$`, 93, 63, 30)
	projectNumbers = shape.Of(`^[1-9][0-9]*$`, 19)
	locations      = shape.Of(`^[a-z]([a-z0-9-]*[a-z0-9])?$`, 32)
	secrets        = shape.Of(`^[a-zA-Z0-9_-]+$`, 255)
)

// isName tells whether a name is meant for Secret Manager, right or not.
func isName(s credential.Secret) bool { return strings.HasPrefix(string(s), "projects/") }

// parse takes a name apart. Its errors say what is wrong and how to do it.
func parse(s credential.Secret) (name, error) {
	if !isName(s) {
		return name{}, errors.New("it is no name of a secret in Secret Manager")
	}
	parts := strings.Split(string(s), "/")
	if i := len(parts) - 2; i >= 4 && parts[i] == "versions" {
		return name{}, errors.New("it names a version; rotatord follows the highest enabled one, so leave out /versions/ and what comes after")
	}
	n := name{project: parts[1]}
	switch {
	case len(parts) == 4 && parts[2] == "secrets":
		n.secret = parts[3]
	case len(parts) == 6 && parts[2] == "locations" && parts[4] == "secrets":
		n.location, n.secret = parts[3], parts[5]
		if !locations.MatchString(n.location) {
			return name{}, errors.New("its location does not look like europe-west3")
		}
	default:
		return name{}, errors.New("a secret's name goes projects/PROJECT/secrets/NAME or, for a regional one, projects/PROJECT/locations/LOCATION/secrets/NAME")
	}
	switch {
	case !projectIDs.MatchString(n.project) && !projectNumbers.MatchString(n.project):
		return name{}, errors.New("its project is neither an id like my-project nor a number")
	case !secrets.MatchString(n.secret):
		return name{}, errors.New("the secret's name in it is empty, too long, or has a character other than letters, digits, - and _")
	}
	return n, nil
}

func (n name) String() string {
	if n.location == "" {
		return "projects/" + n.project + "/secrets/" + n.secret
	}
	return "projects/" + n.project + "/locations/" + n.location + "/secrets/" + n.secret
}

// version is the name of a version.
func (n name) version(number int64) string {
	return n.String() + "/versions/" + strconv.FormatInt(number, 10)
}

// byNumber tells whether the name has the project's number.
func (n name) byNumber() bool { return projectNumbers.MatchString(n.project) }

// number reads a version's number as Secret Manager writes it; 0 if it is
// none: an alias, or nothing.
func number(s string) int64 {
	if !projectNumbers.MatchString(s) { // of the same form
		return 0
	}
	i, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return i
}

// parseVersion takes a version's name in an answer apart; the number is 0 if
// it is none.
func parseVersion(s string) (name, int64) {
	i := strings.LastIndex(s, "/versions/")
	if i < 0 {
		return name{}, 0
	}
	n, err := parse(credential.Secret(s[:i]))
	if err != nil {
		return name{}, 0
	}
	return n, number(s[i+len("/versions/"):])
}
