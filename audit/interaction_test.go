package audit_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/audit"
)

var (
	anyUUID = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)
	v4      = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	traced  = regexp.MustCompile(`^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$`)
)

// meddler does to the response header what it must survive.
func meddler(how string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		switch how {
		case "delete":
			h.Del("X-Fapi-Interaction-Id")
			h.Del("Cache-Control")
		case "clear":
			clear(h)
		case "replace":
			h.Set("X-Fapi-Interaction-Id", "evil")
		case "add":
			h.Add("X-Fapi-Interaction-Id", "evil")
		case "in place":
			if v := h["X-Fapi-Interaction-Id"]; len(v) > 0 {
				v[0] = "evil"
			}
		case "raw key":
			h["x-fapi-interaction-id"] = []string{"evil"}
		case "refuse":
			audit.Refused(w, r, refusal(403))
		case "panic":
			panic("x")
		}
	})
}

// sentIDs are what clients send as an interaction id.
var sentIDs = []struct {
	name  string
	lines []string
	kept  bool
}{
	{"none", nil, false},
	{"lower", []string{anID}, true},
	{"mixed case", []string{"93BAC548-d2de-4546-B106-880a5018460d"}, true},
	{"nil UUID", []string{"00000000-0000-0000-0000-000000000000"}, true},
	{"not a UUID", []string{"hello"}, false},
	{"empty", []string{""}, false},
	{"no dashes", []string{strings.ReplaceAll(anID, "-", "")}, false},
	{"braces", []string{"{" + anID + "}"}, false},
	{"urn", []string{"urn:uuid:" + anID}, false},
	{"a digit too many", []string{anID + "0"}, false},
	{"dash elsewhere", []string{"93bac54-8d2de-4546-b106-880a5018460d"}, false},
	{"g", []string{"g3bac548-d2de-4546-b106-880a5018460d"}, false},
	{"10 KiB", []string{strings.Repeat("a", 10<<10)}, false},
	{"two lines", []string{anID, anID}, false},
	{"comma list", []string{anID + ", " + anID}, false},
}

func TestInteractionID(t *testing.T) {
	meddling := []string{"nothing", "delete", "clear", "replace", "add", "in place", "raw key", "refuse", "panic"}
	s := &spy{}
	mux := http.NewServeMux()
	for _, how := range meddling {
		mux.Handle("/"+strings.ReplaceAll(how, " ", "-"), meddler(how))
	}
	overBoth(t, trail(t, s).Wrap(mux), func(t *testing.T, client *http.Client, url string) {
		for _, how := range meddling {
			for _, c := range sentIDs {
				t.Run("A5,FAPI1-BASE-6.2.1-10,11,12,pitfall-108/"+how+"/"+c.name, func(t *testing.T) {
					var header []string
					for _, l := range c.lines {
						header = append(header, "X-Fapi-Interaction-Id", l)
					}
					a := do(t, client, "GET", url+"/"+strings.ReplaceAll(how, " ", "-"), header...)
					if a.err != nil {
						t.Fatal(a.err)
					}
					got := a.Header.Values("X-Fapi-Interaction-Id")
					if len(got) != 1 {
						t.Fatalf("lines: %q", got)
					}
					if c.kept && got[0] != c.lines[0] {
						t.Errorf("got %q, want it byte for byte", got[0])
					}
					if !c.kept && !v4.MatchString(got[0]) {
						t.Errorf("%q is no fresh UUID", got[0])
					}
					// FAPI1-BASE-6.2.1-12 and pitfall 108: the record has it, and says that something else came
					l := s.one(t)
					l.has(t, line{"interaction_id": got[0]})
					if bad := !c.kept && c.lines != nil; (l["interaction_id_invalid"] == true) != bad {
						t.Errorf("interaction_id_invalid: %v", l["interaction_id_invalid"])
					}
					if a.Header.Get("Date") == "" {
						t.Error("FAPI1-BASE-6.2.1-10: no Date")
					}
				})
			}
		}
	})
}

func TestInteractionIDInContext(t *testing.T) {
	s := &spy{}
	var seen string
	h := trail(t, s).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen = audit.InteractionID(r.Context())
	}))
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("x-fapi-interaction-id", anID)
	h.ServeHTTP(httptest.NewRecorder(), r)
	if seen != anID || audit.InteractionID(t.Context()) != "" {
		t.Errorf("seen %q; without a log %q", seen, audit.InteractionID(t.Context()))
	}
}

func TestFreshIDsDiffer(t *testing.T) {
	s := &spy{}
	h := trail(t, s).Wrap(http.NotFoundHandler())
	seen := map[string]bool{}
	for range 100 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		seen[w.Header().Get("X-Fapi-Interaction-Id")] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d ids of 100 differ", len(seen))
	}
}

// ask sends one request through a log alone and gives the response's id and the record.
func ask(t testing.TB, header http.Header) (string, line) {
	s := &spy{}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = header
	w := httptest.NewRecorder()
	trail(t, s).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
	return w.Header().Get("X-Fapi-Interaction-Id"), s.one(t)
}

func FuzzInteractionID(f *testing.F) {
	for _, s := range []string{anID, "", "x", strings.ToUpper(anID), anID + "\n", "93bac548-d2de-4546-b106-880a5018460\x0d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		got, l := ask(t, http.Header{"X-Fapi-Interaction-Id": {sent}})
		if valid := anyUUID.MatchString(sent) && len(sent) == 36; valid != (got == sent) || valid == (l["interaction_id_invalid"] == true) {
			t.Errorf("sent %q, got %q, record %v", sent, got, l)
		}
		if !anyUUID.MatchString(got) || l["interaction_id"] != got {
			t.Errorf("got %q, record %v", got, l)
		}
	})
}

func FuzzTraceparent(f *testing.F) {
	seeds := []string{
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-next",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "", "00-" + anID,
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		_, l := ask(t, http.Header{"Traceparent": {sent}})
		want := any(nil)
		if m := traced.FindStringSubmatch(sent); m != nil && len(sent) <= 256 && !strings.ContainsAny(sent, "\n\r") {
			later := len(sent) > 55
			if sent[:2] != "ff" && (!later || sent[:2] != "00") && strings.Trim(m[1], "0") != "" && strings.Trim(sent[36:52], "0") != "" {
				want = m[1]
			}
		}
		if got := l["trace_id"]; got != want && !strings.ContainsAny(sent, "\n\r") {
			t.Errorf("sent %q: trace_id %v, want %v", sent, got, want)
		}
	})
}

func TestTraceparent(t *testing.T) {
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, c := range []struct {
		name  string
		lines []string
		want  any
	}{
		{"valid", []string{good}, good[3:35]},
		{"later version", []string{"01" + good[2:] + "-more"}, good[3:35]},
		{"twice", []string{good, good}, nil},
		{"00 and longer", []string{good + "-more"}, nil},
		{"later version, no dash", []string{"01" + good[2:] + "more"}, nil},
		{"ff", []string{"ff" + good[2:]}, nil},
		{"upper case", []string{strings.ToUpper(good)}, nil},
		{"zero trace", []string{"00-00000000000000000000000000000000-00f067aa0ba902b7-01"}, nil},
		{"zero parent", []string{"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"}, nil},
		{"short", []string{good[:54]}, nil},
		{"not hex", []string{strings.Replace(good, "4b", "4g", 1)}, nil},
		{"none", nil, nil},
	} {
		t.Run("A5/"+c.name, func(t *testing.T) {
			_, l := ask(t, http.Header{"Traceparent": c.lines})
			l.has(t, line{"trace_id": c.want})
		})
	}
}
