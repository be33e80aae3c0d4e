// Package page is the status page: what a person sees who opens the admin
// listener in a browser.
//
// It is made for somebody who was woken by an alert and has never seen
// rotatord. What needs a person stands on top, the gravest first, in one
// sentence that says what breaks and one that says what to do; what mends
// itself says so. Below is every destination in one dense table, the last
// rotations on a time line, the accounts and the sources of events. Each
// destination has a page of its own with its history.
//
// Everything is made on the server, by html/template, and works without
// JavaScript: the filter is a form, sorting is links. With JavaScript the page
// asks for itself again whenever the event stream says that a record has
// changed, and exchanges the parts that differ.
//
// Nothing is loaded from elsewhere and nothing is kept in the browser. The
// pages forbid themselves inline scripts, inline styles and frames. Names,
// details and versions come from Planet, from buckets and from secret managers:
// they are text, are escaped as text, and lose what could reorder a line or
// hide in it.
//
// The page shows what is recorded and asks nobody else. It can't change
// anything by itself: its buttons are forms for the actions that the server
// beside it has, and they are there for those only who have signed in.
package page
