package injector

import "time"

// memory is how long what was replaced is remembered, and so how far a view can lag.
const memory = 10 * time.Minute

// history is a value with the times at which it changed.
type history[T any] struct {
	times  []time.Time
	values []T
}

func (h *history[T]) add(now time.Time, value T) {
	h.times = append(h.times, now)
	h.values = append(h.values, value)
	// The first is what was valid before the second.
	for len(h.times) > 1 && now.Sub(h.times[1]) > memory {
		h.times, h.values = h.times[1:], h.values[1:]
	}
}

// at gives the value as it was then: the zero value where it was not there yet.
func (h *history[T]) at(then time.Time) T {
	for i := len(h.times) - 1; i >= 0; i-- {
		if !h.times[i].After(then) {
			return h.values[i]
		}
	}
	var none T
	return none
}
