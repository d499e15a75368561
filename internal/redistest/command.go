package redistest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Command sends one inline command over a connection of its own and gives the first line of
// the answer. The words may not contain spaces.
func Command(addr string, line string) (first string, err error) {
	err = ask(addr, line, time.Second, func(r *bufio.Reader) error {
		first, err = r.ReadString('\n')
		return err
	})
	return first, err
}

// Text sends one inline command that is answered with a bulk string, and gives that.
func Text(addr string, line string) (text string, err error) {
	err = ask(addr, line, patience, func(r *bufio.Reader) error {
		text, err = bulk(r)
		return err
	})
	return text, err
}

// Strings sends one inline command that is answered with an array of bulk strings, and gives those.
func Strings(addr string, line string) (all []string, err error) {
	err = ask(addr, line, patience, func(r *bufio.Reader) error {
		n, err := size(r, '*')
		for range n {
			text, err := bulk(r)
			if err != nil {
				return err
			}
			all = append(all, text)
		}
		return err
	})
	return all, err
}

// ask sends one inline command over a connection of its own.
func ask(addr, line string, timeout time.Duration, read func(*bufio.Reader) error) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte(line + "\r\n")); err != nil {
		return err
	}
	return read(bufio.NewReader(conn))
}

func bulk(r *bufio.Reader) (string, error) {
	n, err := size(r, '$')
	if err != nil {
		return "", err
	}
	text := make([]byte, n+len("\r\n"))
	if _, err := io.ReadFull(r, text); err != nil {
		return "", err
	}
	return string(text[:n]), nil
}

// size reads a line of a kind and a number.
func size(r *bufio.Reader, kind byte) (int, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(line[1:]))
	if line[0] != kind || err != nil || n < 0 || n > 1<<24 {
		return 0, fmt.Errorf("redistest: unexpected answer %q", line)
	}
	return n, nil
}

// must sends a command whose answer begins with want.
func must(tb testing.TB, addr, line, want string) {
	tb.Helper()
	if got, err := Command(addr, line); err != nil || !strings.HasPrefix(got, want) {
		tb.Fatalf("redistest: %s: got %q, %v", line, got, err)
	}
}

// await waits until f is true.
func await(tb testing.TB, what string, f func() bool) {
	tb.Helper()
	for end := time.Now().Add(2 * patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if f() {
			return
		}
	}
	tb.Fatalf("redistest: never: %s", what)
}

// says tells whether a text that is asked for contains words.
func says(addr, line, words string) bool {
	text, err := Text(addr, line)
	return err == nil && strings.Contains(text, words)
}
