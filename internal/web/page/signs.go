package page

// sign is a small shape. Each weight has shapes of its own, so that states can
// be told apart without colour; the word beside it is what counts.
type sign struct{ Name, Path string }

// signs are in a square of ten by ten, filled by the even-odd rule.
var signs = []sign{
	{"disc", "M5 1a4 4 0 1 0 0 8 4 4 0 0 0 0-8z"},
	{"ring", "M5 1a4 4 0 1 0 0 8 4 4 0 0 0 0-8zm0 1.4a2.6 2.6 0 1 1 0 5.2 2.6 2.6 0 0 1 0-5.2z"},
	{"half", "M5 1a4 4 0 1 0 0 8 4 4 0 0 0 0-8zm0 1.4v5.2a2.6 2.6 0 0 1 0-5.2z"},
	{"diamond", "M5 .5 9.5 5 5 9.5.5 5z"},
	{"triangle", "M5 1 9.6 9H.4z"},
	{"square", "M1.2 1.2h7.6v7.6H1.2z"},
	{"cross", "M2.3.8 5 3.5 7.7.8l1.5 1.5L6.5 5l2.7 2.7-1.5 1.5L5 6.5 2.3 9.2.8 7.7 3.5 5 .8 2.3z"},
	{"bars", "M1.8 1.2h2.4v7.6H1.8zM5.8 1.2h2.4v7.6H5.8z"},
	{"up", "M5 2.4 8.8 7.6H1.2z"},
	{"down", "M1.2 2.4h7.6L5 7.6z"},
}
