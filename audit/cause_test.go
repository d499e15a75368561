package audit_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tegata-go/tegata/audit"
)

func TestCause(t *testing.T) {
	for _, c := range []struct {
		name  string
		cause error
		want  any
	}{
		{"none", nil, nil},
		{"type only", errors.New("token eyJSECRET"), "*errors.errorString"},
		{"says itself", valuer{"kid unknown"}, "kid unknown"},
		{"says something else", valuer{[]string{"eyJSECRET"}}, "audit_test.valuer"},
		{"panics", valuer{nil}, "audit_test.valuer"},
		{"quotes the interaction id", valuer{"id " + anID}, "audit_test.valuer"},
		{"breaks lines", valuer{"a\nb"}, "a?b"},
		{"a reason", other, string(other)},
		{"a refusal", &audit.Refusal{Reason: other}, string(other)},
	} {
		t.Run("pitfall-17/"+c.name, func(t *testing.T) {
			s := &spy{}
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("X-Fapi-Interaction-Id", anID)
			trail(t, s).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				audit.Refused(w, r, &audit.Refusal{Reason: refused, Status: 401, Cause: c.cause})
			})).ServeHTTP(httptest.NewRecorder(), r)
			s.one(t).has(t, line{"cause": c.want})
		})
	}
}
