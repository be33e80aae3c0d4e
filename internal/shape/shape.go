// Package shape tells what names look like: those of secrets, queues, accounts
// and regions, as their vendors document them.
//
// Nearly each such rule is a set of characters and a greatest length. Written as
// one regular expression, [a-z]{1,255}, it costs memory out of all proportion,
// since Go keeps a state for each character that may come: the forty names of
// this program took seven megabytes and fifteen milliseconds of every start. So
// a Shape is a pattern without such bounds, with the lengths beside it, and it
// is compiled when somebody first asks: a daemon that has no secrets in Azure
// never does.
package shape

import (
	"regexp"
	"sync"
)

// Shape is what text may look like. It is safe for concurrent use.
type Shape struct {
	longest int
	groups  []int
	compile func() *regexp.Regexp
}

// Of makes a Shape: text of at most longest bytes that matches the pattern, and
// whose groups, in their order, have at most so many bytes; zero stands for any
// number. A pattern that is none panics when it is first used, so each wants a
// test that uses it.
func Of(pattern string, longest int, groups ...int) *Shape {
	return &Shape{longest: longest, groups: groups, compile: sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })}
}

// MatchString tells whether the text has this shape.
func (s *Shape) MatchString(text string) bool {
	if len(s.groups) > 0 {
		return s.FindStringSubmatch(text) != nil
	}
	return s.fits(text) && s.compile().MatchString(text)
}

// FindStringSubmatch gives the text's match and its groups, as
// [regexp.Regexp.FindStringSubmatch] does, or nil.
func (s *Shape) FindStringSubmatch(text string) []string {
	if !s.fits(text) {
		return nil
	}
	m := s.compile().FindStringSubmatch(text)
	for i, longest := range s.groups {
		if m != nil && longest > 0 && len(m[i+1]) > longest {
			return nil
		}
	}
	return m
}

func (s *Shape) fits(text string) bool { return s.longest == 0 || len(text) <= s.longest }
