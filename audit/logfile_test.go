package audit_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/audit"
)

func content(t testing.TB, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWriterAppendsToFile(t *testing.T) {
	for name, c := range map[string]struct{ before, after string }{
		"new":   {"", "line\n"},
		"whole": {"{}\n", "{}\nline\n"},
		"torn":  {"{}\n{\"a", "{}\n{\"a\nline\n"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "audit.log")
			if c.before != "" {
				must(t, os.WriteFile(file, []byte(c.before), 0o600))
			}
			w := newWriter(t, audit.WriterConfig{Path: file})
			if _, err := write(t, w, "line\n"); err != nil {
				t.Error(err)
			}
			must(t, w.Close())
			if got := content(t, file); got != c.after {
				t.Errorf("%q", got)
			}
			if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%v, %v", info.Mode(), err)
			}
		})
	}
}

func TestWriterToFileConcurrently(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	w := newWriter(t, audit.WriterConfig{Path: file, Timeout: time.Minute})
	manyLines(t, audit.NewLines(w))
	must(t, w.Close())
	wholeLines(t, content(t, file), 800)
}

// TestWriterFollowsRotation: what is written a second after a file was moved, deleted or replaced is
// in the file of the name, whatever the old one is called by then.
func TestWriterFollowsRotation(t *testing.T) {
	for name, rotate := range map[string]func(file string) error{
		"moved":   func(file string) error { return os.Rename(file, file+".1") },
		"deleted": os.Remove,
		"moved and made": func(file string) error {
			return errors.Join(os.Rename(file, file+".1"), os.WriteFile(file, nil, 0o600))
		},
		"replaced by a torn one": func(file string) error {
			return errors.Join(os.WriteFile(file+".n", []byte("torn"), 0o600), os.Rename(file+".n", file))
		},
		"truncated": func(file string) error { return os.Truncate(file, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "audit.log")
				w := newWriter(t, audit.WriterConfig{Path: file})
				before := ""
				for _, line := range []string{"1\n", "2\n", "3\n"} {
					if _, err := write(t, w, line); err != nil {
						t.Fatal(err)
					}
					if got := content(t, file); got != before+line {
						t.Errorf("%q after %q", got, line)
					}
					must(t, rotate(file))
					if before = ""; strings.HasPrefix(name, "replaced") {
						before = "torn\n"
					}
					time.Sleep(time.Second)
				}
				must(t, w.Close())
			})
		})
	}
}

// TestWriterCannotFollow: for a while the moved file stands in for one that cannot be opened, then
// lines fail; and it is taken up where it can be.
func TestWriterCannotFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "audit.log")
		w := newWriter(t, audit.WriterConfig{Path: file})
		defer w.Close()
		must(t, os.Rename(file, file+".1"))
		must(t, os.Mkdir(file, 0o700))
		for i, want := range []bool{true, true, true, true, true, true, false, false} {
			time.Sleep(time.Second)
			if _, err := write(t, w, "old\n"); (err == nil) != want {
				t.Errorf("second %d: %v", i, err)
			}
		}
		if got := content(t, file+".1"); got != strings.Repeat("old\n", 6) {
			t.Errorf("moved: %q", got)
		}
		must(t, os.Remove(file))
		if _, err := write(t, w, "new\n"); err != nil || content(t, file) != "new\n" {
			t.Errorf("%v, %q", err, content(t, file))
		}
	})
}

func TestWriterToADevice(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full")
	}
	w := newWriter(t, audit.WriterConfig{Path: "/dev/full"})
	for range 3 {
		if _, err := write(t, w, "line\n"); err == nil || strings.Contains(err.Error(), "in time") {
			t.Errorf("full: %v", err)
		}
	}
	must(t, w.Close())
	w = newWriter(t, audit.WriterConfig{Path: os.DevNull})
	if _, err := write(t, w, "line\n"); err != nil {
		t.Error(err)
	}
	must(t, w.Close())
}

// running reports whether a goroutine is in the function.
func running(function string) bool {
	stacks := make([]byte, 1<<20)
	return strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), function)
}
