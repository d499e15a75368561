package ratelimit_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/ratelimit"
)

func place(t testing.TB, name string) *time.Location {
	t.Helper()
	in, err := time.LoadLocation(name)
	if err != nil {
		t.Skip(err)
	}
	return in
}

func TestCalendarEnd(t *testing.T) {
	for _, c := range []struct {
		place, at, day, month string
	}{
		{"UTC", "2026-02-28T23:59:59Z", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z"},
		{"UTC", "2024-02-28T00:00:00Z", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"},
		{"UTC", "2026-12-31T12:00:00Z", "2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"Europe/Berlin", "2026-03-29T00:30:00+01:00", "2026-03-30T00:00:00+02:00", "2026-04-01T00:00:00+02:00"}, // 23 hours
		{"Europe/Berlin", "2026-10-25T00:30:00+02:00", "2026-10-26T00:00:00+01:00", "2026-11-01T00:00:00+01:00"}, // 25 hours
		{"Europe/Berlin", "2026-07-01T22:30:00Z", "2026-07-03T00:00:00+02:00", "2026-08-01T00:00:00+02:00"},      // the 2nd there
		{"America/Sao_Paulo", "2018-11-03T23:30:00-03:00", "2018-11-04T01:00:00-02:00", "2018-12-01T00:00:00-02:00"},
		{"America/Havana", "2024-03-09T12:00:00-05:00", "2024-03-10T01:00:00-04:00", "2024-04-01T00:00:00-04:00"},
		{"Pacific/Apia", "2011-12-29T12:00:00-10:00", "2011-12-31T00:00:00+14:00", "2012-01-01T00:00:00+14:00"}, // no 30th
	} {
		t.Run(c.place+" "+c.at, func(t *testing.T) {
			in := place(t, c.place)
			at, _ := time.Parse(time.RFC3339, c.at)
			day, _ := time.Parse(time.RFC3339, c.day)
			month, _ := time.Parse(time.RFC3339, c.month)
			if got := ratelimit.Daily(in).End(at); !got.Equal(day) {
				t.Errorf("the day ends at %v, want %v", got, day)
			}
			if got := ratelimit.Monthly(in).End(at); !got.Equal(month) {
				t.Errorf("the month ends at %v, want %v", got, month)
			}
		})
	}
	if !(ratelimit.Calendar{}).End(time.Now()).IsZero() || (ratelimit.Calendar{}).String()+ratelimit.Daily(nil).String() != "" {
		t.Error("no calendar has an end")
	}
	if s := ratelimit.Daily(time.UTC).String() + ratelimit.Monthly(time.UTC).String(); s != "daily UTCmonthly UTC" {
		t.Errorf("%q", s)
	}
}

// FuzzCalendarEnd's law: the end lies ahead, is the end of every moment until it, and the next
// window is another, of a length that a day or a month has.
func FuzzCalendarEnd(f *testing.F) {
	names := []string{"UTC", "Europe/Berlin", "America/Sao_Paulo", "America/Havana", "Asia/Beirut", "Africa/Cairo", "Asia/Amman", "Pacific/Apia", "Australia/Lord_Howe"}
	seeds := []int64{0, 1541300400, 1710046800, 1325152800, 1774746000, 1792882800, 4102444800}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for i := range names {
		for _, s := range seeds {
			f.Add(i, s)
		}
	}
	f.Fuzz(func(t *testing.T, i int, unix int64) {
		if i < 0 || i >= len(names) || unix < 0 || unix > 4e9 {
			return
		}
		in, at := place(t, names[i]), time.Unix(unix, 0)
		for c, length := range map[ratelimit.Calendar][2]time.Duration{
			ratelimit.Daily(in):   {20 * time.Hour, 26 * time.Hour},
			ratelimit.Monthly(in): {26 * 24 * time.Hour, 32 * 24 * time.Hour},
		} {
			end := c.End(at)
			if !end.After(at) {
				t.Fatalf("%v: %v ends at %v", c, at, end)
			}
			if last := c.End(end.Add(-1)); !last.Equal(end) {
				t.Fatalf("%v: %v ends at %v, but its last moment at %v", c, at, end, last)
			}
			if next := c.End(end).Sub(end); next < length[0] || next > length[1] {
				t.Fatalf("%v: after %v comes a window of %v", c, end, next)
			}
		}
	})
}

// L12: a quota by the calendar beside a rate, as one step; the fields tell which decides.
func TestQuota(t *testing.T) {
	t.Run("L12", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { // begins at 2000-01-01 00:00 UTC, 01:00 in Berlin
			in := place(t, "Europe/Berlin")
			l := limiter(t, ratelimit.Config{Store: memory(t, 100), Name: "client", Key: one, Limits: []ratelimit.Limit{
				limit("minute", 10, time.Minute), {Name: "day", Count: 30, Calendar: ratelimit.Daily(in)}, {Name: "month", Count: 100, Calendar: ratelimit.Monthly(in)}}})
			passes := func(n int) (passed int) {
				for range n {
					for range 10 {
						if res, err := l.Take(request()); err == nil && res.OK {
							passed++
						}
					}
					time.Sleep(time.Minute)
				}
				return passed
			}
			if n := passes(5); n != 30 {
				t.Errorf("%d in one day", n)
			}
			w, reached := serve(l.Wrap, request())
			if reached || w.Header().Get("RateLimit") != `"client/day";r=0;t=82500` || w.Header().Get("Retry-After") != "82500" ||
				w.Header().Get("RateLimit-Policy") != `"client/minute";q=10;w=60, "client/day";q=30;w=86400, "client/month";q=100` {
				t.Errorf("reached %t, %v", reached, w.Header())
			}
			time.Sleep(23*time.Hour - 5*time.Minute - 1)
			if n := passes(1); n != 0 {
				t.Errorf("%d one nanosecond before midnight", n)
			}
			for day, want := range []int{30, 30, 10, 0} {
				if n := passes(5); n != want {
					t.Errorf("day %d: %d passed, want %d", day+2, n, want)
				}
				time.Sleep(24*time.Hour - 5*time.Minute)
			}
			time.Sleep(26 * 24 * time.Hour) // into February
			if n := passes(5); n != 30 {
				t.Errorf("%d in a new month", n)
			}
		})
	})
}

// A quota that is as great as can be is exact, and its units do not leak while the day lasts.
func TestQuotaExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory(t, 100)
		for _, count := range []int64{1, 3, 7, 997, 1_000_003, ratelimit.MaxCount} {
			l := ratelimit.Limit{Name: "day", Count: count, Calendar: ratelimit.Daily(time.UTC)}
			take(t, m, "caller", count-1, l)
			time.Sleep(3 * time.Hour)
			if r := take(t, m, "caller", 1, l); !r.OK || r.Remaining != 0 {
				t.Errorf("the last of %d: %+v", count, r)
			}
			if r := take(t, m, "caller", 1, l); r.OK {
				t.Errorf("one more than %d: %+v", count, r)
			}
		}
	})
}

// A clock that went back into a day that was over finds all of it spent. Two places of one
// name stand for it here.
func TestQuotaClockBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory(t, 100)
		day := func(hours int) ratelimit.Limit {
			return ratelimit.Limit{Name: "day", Count: 4, Calendar: ratelimit.Daily(time.FixedZone("here", hours*3600))}
		}
		take(t, m, "caller", 1, day(0)) // the day ends in 24 hours
		if r := take(t, m, "caller", 1, day(5)); r.OK || r.Remaining != 0 || r.Retry != 19*time.Hour {
			t.Errorf("%+v", r)
		}
		if r := take(t, m, "caller", 0, day(0)); r.Remaining != 3 {
			t.Errorf("%+v", r)
		}
	})
}

// A full store, swept by a flood, does not forget a quota before its day is over.
func TestQuotaUnderFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, l := memory(t, 100), ratelimit.Limit{Name: "day", Count: 4, Calendar: ratelimit.Daily(time.UTC)}
		take(t, m, "victim", 4, l)
		for i := range 2150 { // until 7 minutes before midnight
			take(t, m, requestOf(strings.Repeat("x", i%100+1)).Header.Get("Client"), 1, limit("flood", 1, time.Second))
			time.Sleep(40 * time.Second)
			if r := take(t, m, "victim", 1, l); r.OK {
				t.Fatalf("forgotten after %d", i)
			}
		}
	})
}
