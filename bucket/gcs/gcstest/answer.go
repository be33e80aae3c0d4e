package gcstest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// answer is a response in the making.
type answer struct {
	status int
	header http.Header
	body   []byte
	code   string // for the record
	cut    bool   // break off in the middle
}

func newAnswer(status int) *answer {
	return &answer{status: status, header: http.Header{}}
}

func jsonAnswer(status int, body any) *answer {
	a := newAnswer(status)
	a.header.Set("Content-Type", "application/json; charset=UTF-8")
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // maps of strings and numbers have none
	}
	a.body = text
	return a
}

// oauthError is an error of the token endpoint.
func oauthError(status int, code, description string) *answer {
	a := jsonAnswer(status, map[string]string{"error": code, "error_description": description})
	a.code = code
	return a
}

// apiError is an error of storage.
func apiError(status int, reason, message string) *answer {
	a := jsonAnswer(status, map[string]any{"error": map[string]any{
		"code": status, "message": message,
		"errors": []map[string]string{{"message": message, "domain": "global", "reason": reason}},
	}})
	a.code = reason
	return a
}

// asText makes of an error what a download gets: the message alone, called
// HTML.
func (a *answer) asText() *answer {
	var doc struct{ Error struct{ Message string } }
	if json.Unmarshal(a.body, &doc) == nil {
		a.body = []byte(doc.Error.Message)
	}
	a.header.Set("Content-Type", "text/html; charset=UTF-8")
	return a
}

// webPage is what portals and firewalls answer.
func webPage(status int) *answer {
	a := newAnswer(status)
	a.header.Set("Content-Type", "text/html")
	a.body = []byte("<!DOCTYPE html><html><body>Please sign in to this network.</body></html>")
	return a
}

// finish fills in what every answer has.
func (a *answer) finish(now time.Time, serial int, storage bool) {
	a.header.Set("Date", now.UTC().Format(http.TimeFormat))
	if a.status != http.StatusNoContent {
		a.header.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	if storage {
		a.header.Set("X-Guploader-Uploadid", "upload-"+strconv.Itoa(serial))
		a.header.Set("Server", "UploadServer")
	}
}
