package tour

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// book takes the audit log and remembers it. Torn makes it take nothing, as a full disk would.
type book struct {
	torn atomic.Bool

	mu   sync.Mutex
	list []record
}

// record is what the tour reads of a line of the audit log.
type record struct {
	Time        time.Time `json:"time"`
	Interaction string    `json:"interaction_id"`
	Decision    string    `json:"decision"`
	Reason      string    `json:"reason"`
	Status      int       `json:"status"`
	Method      string    `json:"method"`
	Route       string    `json:"route"`
	Client      string    `json:"client"`
	line        string
}

var errTorn = errors.New("tour: no space left in the audit log")

// Write takes one line.
func (b *book) Write(line []byte) (int, error) {
	if b.torn.Load() {
		return 0, errTorn
	}
	r := record{line: string(line[:len(line)-1])}
	if err := json.Unmarshal(line, &r); err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = append(b.list, r)
	return len(line), nil
}

func (b *book) all() []record {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.list)
}

// find gives the record of one request.
func (b *book) find(interaction string) (record, bool) {
	all := b.all()
	i := slices.IndexFunc(all, func(r record) bool { return r.Interaction == interaction })
	if i < 0 {
		return record{}, false
	}
	return all[i], true
}

// short is the record in one line, without its time.
func (r record) short() string {
	what := r.Reason
	if what == "" {
		what = r.Route
	}
	client := r.Client
	if client == "" {
		client = "-"
	}
	return fmt.Sprintf("%-10s %3d  %-7s %s", r.Decision, r.Status, client, what)
}
