package uri_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/internal/uri"
)

const target = "https://api.bank.example/accounts/7"

func TestEqual(t *testing.T) {
	same := map[string][]string{
		target: {
			target + "?a=b", target + "#f", target + "?a#b?c", "HTTPS://API.bank.EXAMPLE/accounts/7", "https://api.bank.example:443/accounts/7",
			"https://api.bank.example:/accounts/7", "https://api.bank.example/%61ccounts/7", "https://api.bank.example/x/../accounts/./7",
			"https://api.bank.example/%2e%2E/accounts/7", "https://%61pi.bank.example/accounts/7",
		},
		"https://api.bank.example/~u":          {"https://api.bank.example/%7Eu", "https://api.bank.example/%7eu"},
		"https://api.bank.example/a%2Fb":       {"https://api.bank.example/a%2fb"},
		"https://api.bank.example":             {"https://api.bank.example/", "https://api.bank.example?x", "https://api.bank.example/.", "https://api.bank.example/a/.."},
		"http://api.bank.example:80/":          {"http://api.bank.example/"},
		"https://[2001:db8:0:0::1]/":           {"https://[2001:DB8::1]/", "https://[2001:db8::1]:443/"},
		"https://api.bank.example//evil/path":  {"https://api.bank.example//evil/./path"},
		"https://api.bank.example/a/b/../../c": {"https://api.bank.example/c"},
	}
	for a, list := range same {
		for _, b := range list {
			if !uri.Equal(a, b) || !uri.Equal(b, a) {
				t.Errorf("%s must equal %s", a, b)
			}
		}
	}
	for _, b := range []string{
		"", "/", "/accounts/7", "accounts/7", "//api.bank.example/accounts/7", target + "/", target + "ohnonotagain", "https://api.bank.example/accounts",
		"http://api.bank.example/accounts/7", "https://api.bank.example:8443/accounts/7", "https://api.bank.example:0443/accounts/7", "https://evil.example/accounts/7",
		"https://user@api.bank.example/accounts/7", "https://user:p@api.bank.example/accounts/7", "https://api.bank.example/Accounts/7",
		"https://api.bank.example./accounts/7", "https://api.bank.example/accounts%2F7", "https://api.bank.example//accounts/7",
		"https://api.bank.example/accounts/7%", "https://api.bank.example/accounts/7%2", "https://api.bank.example/accounts/7%zz",
		"https://api.bank.example/accounts/7 ", " " + target, "https://api.bank.example\\accounts/7", "https:///accounts/7", "https://:443/accounts/7",
		"https://api.bank.example:44x/accounts/7", "https://api.bänk.example/accounts/7", "ftp://api.bank.example/accounts/7", "https://[::1/accounts/7", "https://[::1]x/accounts/7",
		"https://[fe80::1%25eth0]/accounts/7", target + strings.Repeat("a", uri.MaxLength),
	} {
		if uri.Equal(target, b) {
			t.Errorf("%q must not equal the target", b)
		}
	}
	if uri.Equal("https://api.bank.example/a%2Fb", "https://api.bank.example/a/b") {
		t.Error("an encoded slash is no slash")
	}
}

// The laws: normalising twice changes nothing, and the normal form names the same host for net/url.
func FuzzNormalize(f *testing.F) {
	for _, s := range []string{target, "HTTP://A:80/%7e/../b?c#d", "https://[::1]:444/%2f", "https://a%2e/%2e%2e/."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := uri.Normalize(s)
		if err != nil {
			return
		}
		again, err := uri.Normalize(n)
		if err != nil || again != n {
			t.Fatalf("%q -> %q -> %q %v", s, n, again, err)
		}
		u, err := url.Parse(n)
		if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Host == "" || u.Path == "" {
			t.Fatalf("%q -> %q: %v %+v", s, n, err, u)
		}
	})
}
