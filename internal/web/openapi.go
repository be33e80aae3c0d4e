package web

import (
	_ "embed"
	"net/http"
)

// openAPIDocument describes this package's routes. A test holds it to them.
//
//go:embed openapi.json
var openAPIDocument string

func openAPI(w http.ResponseWriter, r *http.Request) {
	say(w, r, http.StatusOK, "application/json", openAPIDocument)
}
