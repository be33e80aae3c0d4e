package rotation

// Quirks are the planted bugs, for the tests that show each of them is found.
type Quirks = quirks

// SetQuirks plants bugs in an engine.
func SetQuirks(e *Engine, q Quirks) { e.quirks = q }
