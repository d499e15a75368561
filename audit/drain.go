package audit

import "io"

// drain writes until nobody waits.
func (w *Writer) drain() {
	for w.take() {
		n, err := w.out.attempt(w.page)
		w.settle(n, err)
	}
}

// take moves what goes into one write from the queue to the page; false ends drain.
func (w *Writer) take() bool {
	most := 0 // one line: a pipe that others write to as well keeps no more than that in one piece
	if w.file != nil && w.file.regular() {
		most = maxBatch
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.page, w.batch = append(w.page[:0], '\n'), w.batch[:0]
	for _, t := range w.waiting {
		if len(w.batch) > 0 && len(w.page)+len(t.line) > most {
			break
		}
		t.begun = true
		w.page, w.batch = append(w.page, t.line...), append(w.batch, t)
		w.size -= len(t.line)
	}
	left := copy(w.waiting, w.waiting[len(w.batch):])
	clear(w.waiting[left:])
	w.waiting = w.waiting[:left]
	if len(w.batch) > 0 {
		return true
	}
	w.busy = false
	if w.idle != nil {
		close(w.idle)
	}
	if cap(w.page) > maxBatch {
		w.page = nil
	}
	return false
}

// settle tells each of the batch whether its line is among the first n bytes.
func (w *Writer) settle(n int, err error) {
	switch {
	case err == nil:
		err = io.ErrShortWrite // unless all was taken
	case n >= len(w.page)-1:
		n = 0 // all was taken and something else went wrong: nobody relies on it
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stuck = false
	for _, t := range w.batch {
		n -= len(t.line)
		if n >= 0 {
			t.done <- nil
		} else {
			t.done <- err
		}
	}
	clear(w.batch)
}

// attempt turns a panic of the writer into an error.
func (o *output) attempt(b []byte) (n int, err error) {
	defer func() {
		if recover() != nil {
			n, err = 0, errUnfinished
		}
	}()
	return o.write(b)
}
