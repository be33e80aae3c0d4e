package config

// Tracing says where traces of rotations go. Without an Endpoint there are
// none.
type Tracing struct {
	// Endpoint is the base address of a collector that takes OTLP over HTTP,
	// without /v1/traces; empty for no traces.
	Endpoint string `toml:"endpoint"`
	// HeadersEnv or HeadersFile hold headers for the collector, "Name: value",
	// one a line. At most one is set: headers may be tokens, and are never in the
	// file itself.
	HeadersEnv  string `toml:"headers_env"`
	HeadersFile string `toml:"headers_file"`
	// CAFile holds PEM certificates to trust beside the system's.
	CAFile string `toml:"ca_file"`
	// SamplePercent is how many of a hundred traces are sent.
	SamplePercent int `toml:"sample_percent" min:"1" max:"100"`
	// EveryLook makes a trace of looks that had nothing to send, too.
	EveryLook bool `toml:"every_look"`
}

func (c *checker) tracing() {
	const table = "tracing"
	t := &c.cfg.Tracing
	t.CAFile = resolve(c.file, t.CAFile)
	headers := c.indirect(table, "headers", "OTLP_HEADERS", &t.HeadersEnv, &t.HeadersFile)
	switch {
	case c.typeProblem(table, "endpoint"):
	case t.Endpoint != "":
		c.url(table, "endpoint", &t.Endpoint, `"https://collector.example.com:4318"`)
	case headers:
		// So that traces can be switched off by one line.
		c.warn(c.at(table, "endpoint"), "tracing.endpoint", "is empty, so no traces are sent", `write endpoint = "https://collector.example.com:4318", or leave the headers out`)
	}
}
