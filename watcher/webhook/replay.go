package webhook

import (
	"container/heap"
	"sync"
)

// window remembers the messages that were taken, so that nobody can send again
// what was overheard. A signature is good until its timestamp leaves the
// tolerance; until then its id is known.
//
// The memory is bounded. When it is full, the id with the oldest timestamp
// is dropped, and from then on nothing as old as that can be told from a
// replay, so it is not taken (unsure). A sender who tries again signs with a
// new timestamp, and gets in; who replays can't.
type window struct {
	most int

	mu    sync.Mutex
	ids   map[string]*seen
	old   byTime
	floor int64 // nothing unknown with such a timestamp or an older one is taken
}

// seen is one id.
type seen struct {
	id   string
	time int64 // the newest timestamp that the id was signed with, in Unix seconds
	done bool  // taken; otherwise it is being delivered
	at   int   // its place in the heap
}

// A message is new, being delivered at this moment, taken before, or it can't
// be known.
type sight int

const (
	sightNew sight = iota
	sightUnderWay
	sightTaken
	sightUnsure
)

// begin looks for an id whose signature was found right. After sightNew, end
// has to follow. Timestamps before expired are good no more, and are forgotten.
func (w *window) begin(id string, timestamp, expired int64) sight {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ids == nil {
		w.ids, w.floor = map[string]*seen{}, -1
	}
	for len(w.old) > 0 && w.old[0].time < expired {
		w.drop()
	}
	if s, ok := w.ids[id]; ok {
		// The newer signature could be replayed for longer.
		if timestamp > s.time {
			s.time = timestamp
			heap.Fix(&w.old, s.at)
		}
		if s.done {
			return sightTaken
		}
		return sightUnderWay
	}
	if timestamp <= w.floor {
		return sightUnsure
	}
	if len(w.old) >= w.most {
		w.floor = max(w.floor, w.old[0].time)
		w.drop()
		if timestamp <= w.floor {
			return sightUnsure
		}
	}
	s := &seen{id: id, time: timestamp}
	w.ids[id] = s
	heap.Push(&w.old, s)
	return sightNew
}

// end says whether the message was taken. One that was not may come again with
// the same signature.
func (w *window) end(id string, taken bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, ok := w.ids[id]
	switch {
	case !ok: // dropped meanwhile, for there were so many; the floor covers it
	case taken:
		s.done = true
	default:
		heap.Remove(&w.old, s.at)
		delete(w.ids, id)
	}
}

func (w *window) drop() {
	if s, ok := heap.Pop(&w.old).(*seen); ok {
		delete(w.ids, s.id)
	}
}

// byTime is a heap with the oldest timestamp on top.
type byTime []*seen

func (h byTime) Len() int           { return len(h) }
func (h byTime) Less(i, j int) bool { return h[i].time < h[j].time }
func (h byTime) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

// Push is for container/heap.
func (h *byTime) Push(x any) {
	if s, ok := x.(*seen); ok {
		s.at = len(*h)
		*h = append(*h, s)
	}
}

// Pop is for container/heap.
func (h *byTime) Pop() any {
	last := len(*h) - 1
	s := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return s
}
