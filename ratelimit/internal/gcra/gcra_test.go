package gcra_test

import (
	"math/big"
	"testing"

	"github.com/tegata-go/tegata/ratelimit/internal/gcra"
)

func rat(q int64, r, den uint64) *big.Rat {
	x := new(big.Rat).SetFrac(new(big.Int).SetUint64(r), new(big.Int).SetUint64(den))
	return x.Add(x, new(big.Rat).SetInt64(q))
}

func ceil(x *big.Rat) int64 {
	if x.Sign() <= 0 {
		return 0
	}
	n := new(big.Int).Add(x.Num(), new(big.Int).Sub(x.Denom(), big.NewInt(1)))
	return n.Div(n, x.Denom()).Int64()
}

// The seeds are the corners: the greatest and the least of everything, and what does not divide.
func FuzzDecide(f *testing.F) {
	seeds := 0
	for _, tick := range []int64{1, 1000} {
		for _, s := range [][5]int64{
			{1, gcra.MinPeriod, 1, 1, 0}, {3, 1e9, 3, 1, 1e18}, {7, 86400e9, 7, 2, 5}, {gcra.MaxCount, gcra.MinPeriod, 1, 1, 0},
			{gcra.MaxCount, gcra.MaxPeriod, gcra.MaxCount, gcra.MaxCount, 1 << 62}, {1, gcra.MaxPeriod, 1, 1, 1},
			{999999999989, gcra.MaxPeriod, 999999999989, 999999999988, 12345}, {100, 60e9, 100, 1, 59_400_000_001},
		} {
			f.Add(s[0], s[1], s[2], tick, s[3], s[4], uint64(s[4])*0x9e3779b97f4a7c15)
			seeds++
		}
	}
	if seeds == 0 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, count, period, burst, tick, cost, owed int64, frac uint64) {
		if tick != 1 && tick != 1000 || cost < 0 || owed < 0 {
			t.Skip()
		}
		r, ok := gcra.Make(count, period, burst, tick)
		if !ok {
			t.Skip()
		}
		depth := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(burst), big.NewInt(period)), new(big.Int).Mul(big.NewInt(count), big.NewInt(tick)))
		d := r.Depth()
		if rat(d.Q, d.R, r.Den()).Cmp(depth) != 0 {
			t.Fatalf("depth is %v, want %v", d, depth)
		}
		debt := gcra.Span{Q: owed % (d.Q + 1), R: frac % r.Den()}
		if debt.Q == d.Q && debt.R > d.R {
			debt.R = d.R
		}
		law(t, r, count, period, burst, tick, cost, debt, depth)
	})
}

// law compares a decision with the same in rational numbers, where nothing is rounded.
func law(t *testing.T, r gcra.Rate, count, period, burst, tick, cost int64, debt gcra.Span, depth *big.Rat) {
	before := rat(debt.Q, debt.R, r.Den())
	unit := new(big.Rat).SetFrac(big.NewInt(period), new(big.Int).Mul(big.NewInt(count), big.NewInt(tick)))
	after := new(big.Rat).Mul(unit, new(big.Rat).SetInt64(cost))
	after.Add(after, before)
	buckets := []gcra.Bucket{{Rate: &r, Owed: debt}}
	var a gcra.Report
	gcra.Decide(buckets, cost, &a)

	if a.Never != (cost > burst) {
		t.Fatalf("Never is %t for %d of %d", a.Never, cost, burst)
	}
	if a.Never {
		return
	}
	over := new(big.Rat).Sub(after, depth)
	if a.OK != (over.Sign() <= 0) || a.Retry != ceil(over) {
		t.Fatalf("OK %t, Retry %d; beyond the depth by %v", a.OK, a.Retry, over)
	}
	owes := before
	if a.OK {
		owes = after
	}
	if got := rat(buckets[0].Owed.Q, buckets[0].Owed.R, r.Den()); got.Cmp(owes) != 0 {
		t.Fatalf("owes %v, want %v", got, owes)
	}
	free := new(big.Rat).Sub(depth, owes)
	left := new(big.Rat).Quo(free, unit)
	whole := new(big.Int).Div(left.Num(), left.Denom()).Int64()
	if a.Remaining != whole || a.Reset != ceil(owes) {
		t.Fatalf("Remaining %d, Reset %d; want %d, %d", a.Remaining, a.Reset, whole, ceil(owes))
	}
	next := int64(0)
	if whole < burst {
		more := new(big.Rat).Mul(unit, new(big.Rat).SetInt64(whole+1))
		next = ceil(more.Sub(more, free))
	}
	if a.Next != next {
		t.Fatalf("Next %d, want %d", a.Next, next)
	}
}

func TestMakeBounds(t *testing.T) {
	for _, c := range []struct {
		name                 string
		count, period, burst int64
		ok                   bool
	}{
		{"least", 1, gcra.MinPeriod, 1, true},
		{"greatest", gcra.MaxCount, gcra.MaxPeriod, gcra.MaxCount, true},
		{"no count", 0, 1e9, 1, false},
		{"no burst", 1, 1e9, 0, false},
		{"period too short", 1, gcra.MinPeriod - 1, 1, false},
		{"period too long", 1, gcra.MaxPeriod + 1, 1, false},
		{"product beyond 64 bits", 1, gcra.MaxPeriod, gcra.MaxCount, false},
		{"fills too late", 1, gcra.MaxPeriod, 2, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, ok := gcra.Make(c.count, c.period, c.burst, 1); ok != c.ok {
				t.Errorf("ok is %t", ok)
			}
		})
	}
}
