package audit

import (
	"errors"
	"io"
	"sync"
	"time"
)

const (
	defaultTimeout = 2 * time.Second
	defaultQueue   = 1 << 20
	maxBatch       = 64 << 10
)

// Errors of Writer.Write.
var (
	errSlow = errors.New("audit: the writer's destination does not take lines in time")
	errFull = errors.New("audit: the writer's queue is full")
	errLine = errors.New("audit: a Writer takes whole lines")
)

// WriterConfig says where a Writer writes. One of Path and Out is required, and only one.
type WriterConfig struct {
	_ [0]func() // keyed literals only

	// Path names the file that lines are appended to. It is made when it is missing, for its owner
	// alone (mode 0600). A last line that a crash has cut is ended first, and a line for which
	// there was no space is taken back whole, so one process writes to one file.
	//
	// A file that was moved away or deleted is noticed within a second, and the lines after go to a
	// new file of the name: let logrotate use `nocreate` or `create`, with `delaycompress` and
	// without `copytruncate`. Path may be a named pipe or a device.
	Path string

	// Out takes one line per Write. It is never closed. A *Writer calls it from one goroutine at a
	// time.
	Out io.Writer

	// Timeout is how long a Write may take, from its start to its line being handed to the
	// operating system, and how long Close waits; 2 s when zero.
	Timeout time.Duration

	// Queue bounds the bytes of the lines that wait; 1 MiB when zero. No line is longer.
	Queue int
}

// Writer appends lines to a file, a pipe or whatever else may stop taking them, and never makes a
// caller wait for longer than WriterConfig.Timeout:
//
//	file, err := audit.NewWriter(audit.WriterConfig{Path: "/var/log/bank/audit.log"})
//	trail, err := audit.New(audit.Config{Handler: audit.NewLines(file)})
//
// Write returns when its line was taken, or with the error that Log.Wrap answers with 503: nothing
// is dropped in silence, and nothing is left to flush. Lines that wait for each other go into a file
// together. While a write is stuck further lines fail at once; that write ends whole or fails
// before any other begins, so lines neither mix nor tear. A line that was given up while it was
// being written may still be taken later: its record then says what would have been answered.
//
// A line was taken when the operating system has it: it survives the process, not the machine.
// A Writer is safe for concurrent use, and a goroutine of its own runs only while lines wait.
type Writer struct {
	out     output
	file    *logFile // nil for WriterConfig.Out
	run     func()   // drain, kept because naming a method as a value allocates
	timeout time.Duration
	limit   int
	tickets sync.Pool

	mu      sync.Mutex
	waiting []*ticket // in the order of their coming
	size    int       // bytes of waiting
	busy    bool      // drain runs
	stuck   bool      // it gave up on what drain is writing
	closed  bool
	idle    chan struct{} // closed when drain ends; nil when nobody asks

	batch []*ticket // drain's own: what is being written
	page  []byte    // and as it is written, with a line break in front
}

// ticket is one line on its way.
type ticket struct {
	line  []byte // the caller's
	begun bool
	done  chan error // holds one
	timer *time.Timer
}

// NewWriter opens a Writer. A named pipe need not have a reader yet.
func NewWriter(c WriterConfig) (*Writer, error) {
	var mistakes []error
	if (c.Path == "") == (c.Out == nil) {
		mistakes = append(mistakes, errors.New("audit: one of WriterConfig.Path and WriterConfig.Out is required"))
	}
	if c.Timeout < 0 {
		mistakes = append(mistakes, errors.New("audit: WriterConfig.Timeout is negative"))
	}
	if c.Queue < 0 {
		mistakes = append(mistakes, errors.New("audit: WriterConfig.Queue is negative"))
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	w := &Writer{out: output{w: c.Out}, timeout: c.Timeout, limit: c.Queue}
	w.run = w.drain
	if w.timeout == 0 {
		w.timeout = defaultTimeout
	}
	if w.limit == 0 {
		w.limit = defaultQueue
	}
	if c.Path != "" {
		f, err := openLogFile(c.Path)
		if err != nil {
			return nil, err
		}
		w.file, w.out.w = f, f
	}
	return w, nil
}

// Write takes one line, with the line break that ends it.
func (w *Writer) Write(line []byte) (int, error) {
	if len(line) == 0 || line[len(line)-1] != '\n' {
		return 0, errLine
	}
	t, _ := w.tickets.Get().(*ticket)
	if t == nil {
		t = &ticket{done: make(chan error, 1), timer: time.NewTimer(w.timeout)}
	} else {
		t.timer.Reset(w.timeout)
	}
	t.line, t.begun = line, false
	err := w.enter(t)
	if err == nil {
		select {
		case err = <-t.done:
		case <-t.timer.C:
			if w.giveUp(t) {
				return 0, errSlow // and t is not used again: an answer may come yet
			}
			err = <-t.done
		}
	}
	t.timer.Stop()
	t.line = nil
	w.tickets.Put(t)
	if err != nil {
		return 0, err
	}
	return len(line), nil
}

// Close waits for the lines that were taken in, for WriterConfig.Timeout at most, and closes the file.
// The error says that lines were given up, or is the file's. Write fails from then on.
func (w *Writer) Close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return io.ErrClosedPipe
	}
	w.closed = true
	idle := make(chan struct{})
	w.idle = idle
	if !w.busy {
		close(idle)
	}
	w.mu.Unlock()
	timer := time.NewTimer(w.timeout)
	defer timer.Stop()
	var err error
	select {
	case <-idle:
	case <-timer.C:
		err = errSlow
	}
	if w.file != nil {
		err = errors.Join(err, w.file.Close()) // ends a write to a pipe that is stuck
	}
	return err
}

// enter queues t, and sees to it that somebody writes.
func (w *Writer) enter(t *ticket) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return io.ErrClosedPipe
	case w.stuck:
		return errSlow
	case len(t.line) > w.limit-w.size:
		return errFull
	}
	w.waiting, w.size = append(w.waiting, t), w.size+len(t.line)
	if !w.busy {
		w.busy = true
		go w.run()
	}
	return nil
}

// giveUp takes t back; false means that its answer has come. What is being written cannot be taken
// back: then all who wait behind it are told.
func (w *Writer) giveUp(t *ticket) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(t.done) > 0 {
		return false
	}
	if t.begun {
		w.stuck = true
	}
	kept := w.waiting[:0]
	for _, other := range w.waiting {
		switch {
		case other == t:
			w.size -= len(t.line)
		case w.stuck:
			w.size -= len(other.line)
			other.done <- errSlow
		default:
			kept = append(kept, other)
		}
	}
	clear(w.waiting[len(kept):])
	w.waiting = kept
	return true
}
