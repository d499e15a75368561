package audit_test

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// limited names the file that a copy of this test, which may write little, writes to.
const limited = "TEGATA_TEST_LIMITED"

// TestWriterDiskFull: the file holds whole lines and nothing else, when there is no space and after.
func TestWriterDiskFull(t *testing.T) {
	if file := os.Getenv(limited); file != "" {
		fillUp(t, file)
		return
	}
	file := filepath.Join(t.TempDir(), "audit.log")
	self := exec.Command(os.Args[0], "-test.run", "^TestWriterDiskFull$", "-test.v")
	self.Env = append(os.Environ(), limited+"="+file)
	if out, err := self.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := content(t, file); got != strings.Repeat(longLine, 4) {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

var longLine = strings.Repeat("x", 299) + "\n"

// fillUp writes three lines of 300 bytes where 1000 bytes fit, fails, and goes on when there is space.
func fillUp(t *testing.T, file string) {
	signal.Ignore(syscall.SIGXFSZ)
	var was syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was))
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1000, Max: was.Max}))
	w := newWriter(t, audit.WriterConfig{Path: file})
	for i := range 6 {
		if _, err := write(t, w, longLine); (err == nil) != (i < 3) || err != nil && !errors.Is(err, syscall.EFBIG) {
			t.Errorf("line %d: %v", i, err)
		}
	}
	if got := content(t, file); got != strings.Repeat(longLine, 3) {
		t.Errorf("%d bytes: %q", len(got), got)
	}
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was))
	if _, err := write(t, w, longLine); err != nil {
		t.Error(err)
	}
	must(t, w.Close())
}

func fifo(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Skip(err)
	}
	return file
}

// TestWriterToAPipe: a pipe has no reader, gets one who does not read, who reads, who goes, and another.
func TestWriterToAPipe(t *testing.T) {
	t.Parallel()
	file := fifo(t)
	w := newWriter(t, audit.WriterConfig{Path: file})
	if _, err := write(t, w, "early\n"); !errors.Is(err, syscall.ENXIO) {
		t.Fatalf("without a reader: %v", err)
	}
	reader, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	must(t, err)
	if _, err := write(t, w, "first\n"); err != nil {
		t.Fatal(err)
	}
	stuck := strings.ToUpper(longLine)
	want := "first\n" + strings.Repeat(longLine, fillPipe(t, file)) + stuck + "again\n"
	for _, line := range []string{stuck, "behind\n", "behind\n"} {
		if _, err := write(t, w, line); err == nil {
			t.Fatalf("%q was taken", line)
		}
	}

	read := make(chan string)
	go func() {
		var all strings.Builder
		for s := bufio.NewScanner(reader); s.Scan(); {
			if all.WriteString(s.Text() + "\n"); s.Text() == "again" {
				break
			}
		}
		read <- all.String()
	}()
	for {
		if _, err := write(t, w, "again\n"); err == nil {
			break
		}
	}
	if got := <-read; got != want {
		t.Errorf("read %d bytes, want %d, ending in %q", len(got), len(want), got[max(0, len(got)-40):])
	}
	must(t, reader.Close())
	if _, err := write(t, w, longLine); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("the reader is gone: %v", err)
	}
	reader, err = os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	must(t, err)
	defer reader.Close()
	if _, err := write(t, w, longLine); err != nil {
		t.Errorf("a new reader: %v", err)
	}
	must(t, w.Close())
}

// fillPipe fills the pipe, and gives how many lines that took.
func fillPipe(t *testing.T, file string) (lines int) {
	t.Helper()
	f, err := syscall.Open(file, syscall.O_WRONLY|syscall.O_NONBLOCK, 0)
	must(t, err)
	defer syscall.Close(f)
	for {
		switch _, err := syscall.Write(f, []byte(longLine)); err {
		case nil:
			lines++
		case syscall.EINTR:
		case syscall.EAGAIN:
			return lines
		default:
			t.Fatal(err)
		}
	}
}

// TestWriterCloseFreesAStuckPipe: closing ends the write that nobody reads, so nothing runs on.
func TestWriterCloseFreesAStuckPipe(t *testing.T) {
	t.Parallel()
	file := fifo(t)
	reader, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	must(t, err)
	defer reader.Close()
	w := newWriter(t, audit.WriterConfig{Path: file, Timeout: 100 * time.Millisecond})
	fillPipe(t, file)
	if _, err := write(t, w, longLine); err == nil {
		t.Fatal("a line for a full pipe was taken")
	}
	if err := w.Close(); err == nil {
		t.Error("nothing was given up")
	}
	for running("audit.(*Writer).drain") {
		time.Sleep(time.Millisecond) // until the test times out
	}
}
