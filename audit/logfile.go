package audit

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	lookEvery = time.Second     // at what the path leads to
	grace     = 5 * time.Second // how long a file that was moved away stands in for one that cannot be opened
)

// logFile appends to the file that a path leads to. Write is called by one goroutine at a time,
// Close by any.
type logFile struct {
	path   string
	file   atomic.Pointer[os.File]
	plain  atomic.Bool // it is a regular file
	closed atomic.Bool

	info   fs.FileInfo // of file, as it was opened
	looked time.Time   // last seen under its path
	missed time.Time   // first not seen there
}

func openLogFile(path string) (*logFile, error) {
	l := &logFile{path: path}
	err := l.open(time.Now())
	if errors.Is(err, syscall.ENXIO) { // a named pipe that nobody reads yet
		if info, other := os.Stat(path); other == nil && info.Mode().Type() == fs.ModeNamedPipe {
			return l, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (l *logFile) regular() bool { return l.plain.Load() }

// Write appends whole lines. Of the line for which there was no space nothing stays.
func (l *logFile) Write(page []byte) (int, error) {
	if err := l.follow(time.Now()); err != nil {
		return 0, err
	}
	f := l.file.Load()
	n, err := f.Write(page)
	if n > 0 && n < len(page) && l.plain.Load() {
		if whole := bytes.LastIndexByte(page[:n], '\n') + 1; cut(f, page[whole:n]) {
			n = whole
		}
	}
	return n, err
}

// Close closes the file; a write that waits for the reader of a pipe ends with it.
func (l *logFile) Close() error {
	l.closed.Store(true)
	if f := l.file.Load(); f != nil {
		return f.Close()
	}
	return nil
}

// follow opens the file anew if the path leads elsewhere.
func (l *logFile) follow(now time.Time) error {
	switch {
	case l.closed.Load():
		return fs.ErrClosed
	case l.file.Load() == nil:
		return l.open(now)
	case l.missed.IsZero() && (!l.plain.Load() || now.Sub(l.looked) < lookEvery):
		return nil
	}
	if info, err := os.Stat(l.path); err == nil && os.SameFile(info, l.info) {
		l.looked, l.missed = now, time.Time{}
		return nil
	}
	if l.missed.IsZero() {
		l.missed = now
	}
	if err := l.open(now); err != nil && now.Sub(l.missed) > grace {
		return err
	}
	return nil
}

// open opens what the path leads to in place of the file, if there was one.
func (l *logFile) open(now time.Time) error {
	// O_NONBLOCK: a named pipe without a reader is an error, where it would be a wait. Reading is for
	// what a crash or a full disk has left at the end.
	const flags = os.O_APPEND | os.O_CREATE | syscall.O_NONBLOCK
	mode := os.O_RDWR
	if info, err := os.Stat(l.path); err == nil && !info.Mode().IsRegular() {
		mode = os.O_WRONLY
	}
	f, err := os.OpenFile(l.path, flags|mode, 0o600)
	if errors.Is(err, fs.ErrPermission) {
		f, err = os.OpenFile(l.path, flags|os.O_WRONLY, 0o600)
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() {
		err = endLine(f, info.Size())
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.info, l.looked, l.missed = info, now, time.Time{}
	l.plain.Store(info.Mode().IsRegular())
	if old := l.file.Swap(f); old != nil {
		_ = old.Close() // each line in it was answered for
	}
	if l.closed.Load() {
		_ = f.Close() // Close may have missed it
	}
	return nil
}

// endLine ends a line that was cut.
func endLine(f *os.File, size int64) error {
	var last [1]byte
	if size == 0 {
		return nil
	}
	n, _ := f.ReadAt(last[:], size-1) // one that may not be read is left as it is
	if n == 0 || last[0] == '\n' {
		return nil
	}
	_, err := f.Write([]byte{'\n'})
	return err
}

// cut takes a fragment off the end of the file, if it is there and nobody has written behind it.
func cut(f *os.File, fragment []byte) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	start := info.Size() - int64(len(fragment))
	end := make([]byte, len(fragment))
	if _, err := f.ReadAt(end, start); err != nil && err != io.EOF || !bytes.Equal(end, fragment) {
		return false
	}
	return f.Truncate(start) == nil
}
