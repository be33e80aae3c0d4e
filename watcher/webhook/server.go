package webhook

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Handler serves endpoints, each at its exact path. Anything else is 404
// without a hint at what there is. Two endpoints can't share a path.
func Handler(endpoints ...Endpoint) (http.Handler, error) {
	at := make(map[string]Endpoint, len(endpoints))
	for _, e := range endpoints {
		if before, taken := at[e.Path()]; taken {
			return nil, fmt.Errorf("webhooks %s and %s have the same path: give each its own", before.Name(), e.Name())
		}
		at[e.Path()] = e
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e, ok := at[r.URL.Path]; ok {
			e.ServeHTTP(w, r)
			return
		}
		answer{status: http.StatusNotFound, text: "not found"}.write(w)
	}), nil
}

// Time-outs of the server. The slowest honest request is a first one after
// start: body, then keys, then Deliver, 5 s at most each. Event Grid waits for
// 30 s, SNS for 15 s, Pub/Sub for the subscription's deadline.
const (
	headTimeout  = 5 * time.Second
	readTimeout  = 15 * time.Second
	writeTimeout = 30 * time.Second
	idleTimeout  = 120 * time.Second
	maxHead      = 32 << 10 // a token of Entra is some 2 kB
)

// NewServer makes the server for a [Handler]; the caller listens. What the
// server itself complains of, such as handshakes of port scanners, is logged
// at debug level: everybody can make it complain.
func NewServer(handler http.Handler, logger *slog.Logger) *http.Server {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHead,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}
