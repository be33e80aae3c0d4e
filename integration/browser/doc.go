// Package browser looks at the status page as people do: with a browser, real
// and without a window. What is tested here is what no reading of the HTML can
// tell: that the browser complains of nothing, that the page changes by itself
// when a record does, that the keyboard reaches everything in order, that a
// phone shows it without scrolling sideways, and that axe finds no barrier.
//
// Most of it is asked of the page over records that a test makes up.
// TestTheDaemonsOwnPage is the whole way: the program as it is shipped, with
// fifty destinations on the simulator, many of them in trouble.
//
//	cd integration && go test ./browser
//
// needs Chromium (scripts/chromium says how to get it) and axe-core, which
// scripts/node-servers installs. Pictures of the pages are written into the
// folder that ROTATORD_SCREENSHOTS names, else into one that is removed.
package browser
