package tour_test

import (
	"context"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tegata-go/tegata/examples/bank/tour"
)

var short = tour.Config{Round: 10 * time.Millisecond}

func TestTour(t *testing.T) {
	var out strings.Builder
	began := time.Now()
	if code := tour.Run(t.Context(), &out, short); code != 0 {
		t.Errorf("exit %d", code)
	}
	t.Logf("the tour took %v", time.Since(began))
	text := out.String()
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if n := utf8.RuneCountInString(line); n > 80 || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%d columns, or no plain text: %q", n, line)
		}
	}
	titles := regexp.MustCompile(`(?m)^[ 0-9][0-9]  [A-Z]`).FindAllString(text, -1)
	if len(titles) < 20 {
		t.Errorf("%d scenes", len(titles))
	}
	for _, part := range []string{"THE AUDIT LOG", "WHAT IT COSTS", "would_deny", "the whole chain, DPoP", "went as they should"} {
		if !strings.Contains(text, part) {
			t.Errorf("nothing of %q", part)
		}
	}
	if strings.Contains(text, "eyJ") || strings.Contains(text, "NO:") {
		t.Error("a token or a wrong scene in the output")
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestWrongSceneIsSeen(t *testing.T) {
	for name, play := range map[string]func(context.Context, io.Writer, tour.Config) int{"answer": tour.PlayWrong, "record": tour.PlayWrongRecord} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if code := play(t.Context(), &out, short); code == 0 || !strings.Contains(out.String(), "NO: should be") {
				t.Errorf("exit %d\n%s", code, out.String())
			}
		})
	}
}

func TestTourEndsEarly(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if code := tour.Run(ctx, io.Discard, short); code == 0 {
		t.Error("exit 0")
	}
}
