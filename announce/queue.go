package announce

import (
	"slices"
	"time"
)

// item is an announcement that waits for one target.
type item struct {
	Announcement
	taken     time.Time // when it was announced
	tries     int
	notBefore time.Time
	busy      bool // on its way; not dropped
}

// queue holds what waits for one target, the oldest first. It is short, so that
// a walk through it costs nothing beside a post.
type queue struct {
	most  int
	items []*item
}

func newQueue(most int) *queue { return &queue{most: most} }

// put adds an item and gives the one that had to make room, if any. What is on
// its way keeps its place.
func (q *queue) put(it *item) (out *item) {
	if len(q.items) >= q.most {
		for _, one := range q.items {
			if !one.busy {
				out = one
				break
			}
		}
		if out != nil {
			q.remove(out)
		}
	}
	q.items = append(q.items, it)
	return out
}

// has tells whether the item still waits.
func (q *queue) has(it *item) bool { return slices.Contains(q.items, it) }

func (q *queue) remove(it *item) {
	q.items = slices.DeleteFunc(q.items, func(one *item) bool { return one == it })
}

// next gives the item to try now: of those that are due and have nothing of the
// same subject before them, one that was tried least, the oldest of these. When
// there is none, at is when there will be; zero when nothing waits.
func (q *queue) next(now time.Time) (best *item, at time.Time) {
	seen := make(map[string]bool, len(q.items))
	for _, it := range q.items {
		if subject := it.subject(); seen[subject] {
			continue
		} else {
			seen[subject] = true
		}
		if it.notBefore.After(now) {
			if at.IsZero() || it.notBefore.Before(at) {
				at = it.notBefore
			}
			continue
		}
		if best == nil || it.tries < best.tries {
			best = it
		}
	}
	return best, at
}

// hurry makes everything due.
func (q *queue) hurry() {
	for _, it := range q.items {
		it.notBefore = time.Time{}
	}
}

const maxWindow = 10_000

// window remembers which ids were announced, and since when.
type window struct {
	lasts time.Duration
	ids   map[string]time.Time
	order []string // as they came
}

func newWindow(lasts time.Duration) *window {
	return &window{lasts: lasts, ids: map[string]time.Time{}}
}

// add tells whether an id is new, and remembers it. One that is known keeps its
// time.
func (w *window) add(id string, now time.Time) bool {
	if at, ok := w.ids[id]; ok && now.Sub(at) < w.lasts {
		return false
	}
	w.forget(id)
	w.ids[id] = now
	w.order = append(w.order, id)
	for len(w.order) > 0 {
		first := w.order[0]
		if now.Sub(w.ids[first]) < w.lasts && len(w.order) <= maxWindow {
			break
		}
		w.order = w.order[1:]
		delete(w.ids, first)
	}
	return true
}

// forget makes an id new again. It leaves both lists, or an old place in the
// order would end a later life of the id.
func (w *window) forget(id string) {
	if _, ok := w.ids[id]; !ok {
		return
	}
	delete(w.ids, id)
	w.order = slices.DeleteFunc(w.order, func(one string) bool { return one == id })
}
