package web

import (
	"net/http"
	"runtime"
	"runtime/debug"
)

// Version is which rotatord answers, in the form of "rotatord version --output
// json".
type Version struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // the commit is not all of it
	Go       string `json:"go"`
	Platform string `json:"platform"` // "linux/amd64"
}

func versionOf(version string) Version {
	v := Version{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func (a *API) sayVersion(w http.ResponseWriter, _ *http.Request) {
	answer(w, versionOf(a.Version), nil)
}
