package mtls_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/mtls"
)

func addressDoor(t testing.TB, field mtls.AddressField) *door {
	t.Helper()
	settings := behind(mtls.NoCertificate, nil)
	settings.Address = field
	return newDoor(t, settings)
}

// address gives what Address says to the handler, "error", or the refusal's status and reason.
func (d *door) address(t testing.TB, r *http.Request) string {
	t.Helper()
	status, record := d.send(t, r)
	if d.seen == nil {
		reason, _ := record["reason"].(string)
		return http.StatusText(status) + " " + reason
	}
	addr, err := mtls.Address(d.seen)
	if err != nil {
		return "error"
	}
	return addr.String()
}

func TestAddress(t *testing.T) {
	const bad = "Bad Request mtls: malformed proxy header"
	xff, forwarded, none := addressDoor(t, mtls.XForwardedFor), addressDoor(t, mtls.Forwarded), addressDoor(t, mtls.NoAddress)
	const x, f = "X-Forwarded-For", "Forwarded"
	for name, c := range map[string]struct {
		door   *door
		remote string
		fields []string
		want   string
	}{
		"pitfall-82/a stranger's field":                {xff, strangerAddr, []string{x, "203.0.113.1"}, "198.51.100.7"},
		"pitfall-82/a stranger's Forwarded":            {forwarded, strangerAddr, []string{f, "for=203.0.113.1"}, "198.51.100.7"},
		"pitfall-82/the leftmost is the client's word": {xff, proxyAddr, []string{x, "203.0.113.1, 198.51.100.9"}, "198.51.100.9"},
		"pitfall-82/listed hops are passed":            {xff, proxyAddr, []string{x, "203.0.113.1, 198.51.100.9, 192.0.2.77, 2001:db8:1::5"}, "198.51.100.9"},
		"pitfall-82/lines are one list":                {xff, proxyAddr, []string{x, "203.0.113.1", x, "198.51.100.9", x, "192.0.2.77"}, "198.51.100.9"},
		"pitfall-82/garbage left of it":                {xff, proxyAddr, []string{x, `<script>,,"\", 198.51.100.9`}, "198.51.100.9"},
		"pitfall-82/garbage lines left of it":          {xff, proxyAddr, []string{x, "?", x, "198.51.100.9"}, "198.51.100.9"},
		"pitfall-82/the other field":                   {xff, proxyAddr, []string{x, "198.51.100.9", f, "for=203.0.113.1", "X-Real-Ip", "203.0.113.1"}, "198.51.100.9"},
		"pitfall-82/no field is read":                  {none, proxyAddr, []string{x, "198.51.100.9"}, "192.0.2.10"},
		"pitfall-82/Forwarded":                         {forwarded, proxyAddr, []string{f, `for=203.0.113.1;proto=http, For="198.51.100.9:4711";by=_x;proto=https`}, "198.51.100.9"},
		"pitfall-82/Forwarded, listed hops":            {forwarded, proxyAddr, []string{f, `for=198.51.100.9`, f, `for="[2001:db8:1::5]:80"`}, "198.51.100.9"},
		"pitfall-82/Forwarded, a quoted comma":         {forwarded, proxyAddr, []string{f, `for="203.0.113.1, for=203.0.113.2";by=x, for=198.51.100.9`}, "198.51.100.9"},
		"pitfall-82/Forwarded, an open quote":          {forwarded, proxyAddr, []string{f, `for=", for=198.51.100.9`}, bad},
		"pitfall-82/Forwarded, twice in one":           {forwarded, proxyAddr, []string{f, `for=198.51.100.9;for=203.0.113.1`}, bad},
		"pitfall-82/all are listed":                    {xff, proxyAddr, []string{x, "192.0.2.1, 192.0.2.2"}, "192.0.2.1"},
		"a proxy that names nobody is the caller":      {xff, proxyAddr, nil, "192.0.2.10"},
		"with a port":                          {xff, proxyAddr, []string{x, "198.51.100.9:1234"}, "198.51.100.9"},
		"IPv6 with a port":                     {xff, proxyAddr, []string{x, "[2001:db8::1]:1234"}, "2001:db8::1"},
		"pitfall-83/v4-mapped":                 {xff, proxyAddr, []string{x, "::ffff:198.51.100.9"}, "198.51.100.9"},
		"pitfall-83/v4-mapped connection":      {xff, "[::ffff:198.51.100.7]:1", nil, "198.51.100.7"},
		"pitfall-83/a listed proxy, v4-mapped": {xff, "[::ffff:192.0.2.10]:1", []string{x, "198.51.100.9"}, "198.51.100.9"},
		"pitfall-84/zone of a connection":      {xff, "[fe80::1%eth0]:1", nil, "fe80::1%eth0"},
		"pitfall-84/no address":                {xff, "@", []string{x, "203.0.113.1"}, "error"},
		"pitfall-84/zone":                      {xff, proxyAddr, []string{x, "fe80::1%eth0"}, bad},
		"pitfall-84/empty":                     {xff, proxyAddr, []string{x, ""}, bad},
		"pitfall-84/empty element":             {xff, proxyAddr, []string{x, "198.51.100.9, "}, bad},
		"pitfall-84/a name":                    {xff, proxyAddr, []string{x, "localhost"}, bad},
		"pitfall-84/unknown":                   {forwarded, proxyAddr, []string{f, "for=unknown"}, bad},
		"pitfall-84/obfuscated":                {forwarded, proxyAddr, []string{f, "for=_hidden"}, bad},
		"pitfall-84/no parameter for":          {forwarded, proxyAddr, []string{f, "proto=https"}, bad},
		"pitfall-84/IPv6 without brackets":     {forwarded, proxyAddr, []string{f, `for="2001:db8::1"`}, bad},
		"pitfall-84/unspecified":               {xff, proxyAddr, []string{x, "0.0.0.0"}, bad},
		"pitfall-84/unspecified, mapped":       {xff, proxyAddr, []string{x, "::ffff:0.0.0.0"}, bad},
		"pitfall-84/leading zero":              {xff, proxyAddr, []string{x, "198.051.100.9"}, bad},
		"pitfall-84/port out of range":         {xff, proxyAddr, []string{x, "198.51.100.9:65536"}, bad},
		"pitfall-84/port with a sign":          {xff, proxyAddr, []string{x, "198.51.100.9:+1"}, bad},
		"too many hops":                        {xff, proxyAddr, []string{x, "198.51.100.9" + strings.Repeat(", 192.0.2.1", 17)}, bad},
		"too long": {xff, proxyAddr, []string{x, strings.Repeat(" ", 9<<10) + "198.51.100.9"},
			"Request Header Fields Too Large mtls: proxy header too large"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.door.address(t, from(c.remote, c.fields...)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestAddressIsRecorded: behind a proxy the record says for whom it spoke.
func TestAddressIsRecorded(t *testing.T) {
	d := addressDoor(t, mtls.XForwardedFor)
	if _, record := d.send(t, from(proxyAddr, "X-Forwarded-For", "198.51.100.9")); record["client_address"] != "198.51.100.9" {
		t.Errorf("of a proxy: %v", record)
	}
	if _, record := d.send(t, from(strangerAddr, "X-Forwarded-For", "198.51.100.9")); record["client_address"] != nil {
		t.Errorf("of a stranger: %v", record)
	}
}

func TestAddressKey(t *testing.T) {
	d := addressDoor(t, mtls.XForwardedFor)
	key := func(addr string) string {
		t.Helper()
		d.send(t, from(proxyAddr, "X-Forwarded-For", addr))
		if d.seen == nil {
			return "refused"
		}
		text, err := mtls.AddressKey(d.seen)
		if err != nil {
			return "error"
		}
		return text
	}
	t.Run("pitfall-83", func(t *testing.T) {
		same := [][2]string{
			{"2001:db8:2:3::1", "2001:db8:2:3:ffff::2"}, {"::ffff:198.51.100.1", "198.51.100.1"}, {"64:ff9b::198.51.100.1", "198.51.100.1"},
		}
		for _, p := range same {
			if a, b := key(p[0]), key(p[1]); a != b || a == "refused" || a == "error" {
				t.Errorf("%s is %s, %s is %s", p[0], a, p[1], b)
			}
		}
		apart := [][2]string{
			{"::ffff:198.51.100.1", "::ffff:198.51.100.2"}, {"64:ff9b::198.51.100.1", "64:ff9b::198.51.100.2"},
			{"2001:db8:2:3::1", "2001:db8:2:4::1"}, {"198.51.100.1", "198.51.100.2"},
		}
		for _, p := range apart {
			if a, b := key(p[0]), key(p[1]); a == b {
				t.Errorf("%s and %s are both %s", p[0], p[1], a)
			}
		}
	})
	t.Run("pitfall-84", func(t *testing.T) {
		r := from("@")
		if got, err := mtls.AddressKey(r); err == nil {
			t.Errorf("a key %q for no address", got)
		}
		one, _ := mtls.AddressKey(from("[fe80::1%eth0]:1"))
		other, _ := mtls.AddressKey(from("[fe80::1%eth1]:1"))
		if one == other || one == "" {
			t.Errorf("%q and %q", one, other)
		}
	})
	t.Run("other prefixes", func(t *testing.T) {
		for _, bits := range [][2]int{{0, 64}, {33, 64}, {32, 0}, {32, 129}} {
			if _, err := mtls.AddressPrefix(bits[0], bits[1]); err == nil {
				t.Errorf("%v was taken", bits)
			}
		}
		by24, err := mtls.AddressPrefix(24, 128)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := by24(from(strangerAddr)); got != "198.51.100.0/24" {
			t.Error(got)
		}
		if got, _ := by24(from("[2001:db8::1]:1")); got != "2001:db8::1" {
			t.Error(got)
		}
	})
}

func TestEncrypted(t *testing.T) {
	d := addressDoor(t, mtls.XForwardedFor)
	for name, c := range map[string]struct {
		r                  *http.Request
		proxied, encrypted bool
	}{
		"direct, plain":         {from(strangerAddr, "X-Forwarded-Proto", "https"), false, false},
		"listed":                {from(proxyAddr), true, true},
		"listed, says https":    {from(proxyAddr, "X-Forwarded-Proto", "https"), true, true},
		"listed, says http":     {from(proxyAddr, "X-Forwarded-Proto", "http"), true, false},
		"listed, says both":     {from(proxyAddr, "X-Forwarded-Proto", "https", "X-Forwarded-Proto", "http"), true, false},
		"listed, says nonsense": {from(proxyAddr, "X-Forwarded-Proto", ""), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			d.send(t, c.r)
			if got := mtls.FromContext(d.seen.Context()); got.Proxied() != c.proxied || got.Encrypted() != c.encrypted {
				t.Errorf("proxied %v, encrypted %v", got.Proxied(), got.Encrypted())
			}
		})
	}
}

// FuzzForwardedAddress: whatever a client writes before the honest proxy adds what it saw, the address is what
// the proxy saw, or the request is refused.
func FuzzForwardedAddress(f *testing.F) {
	seeds := []string{"", "203.0.113.1", `for="`, `for=203.0.113.1`, `for="a, for=b";x="\"`, "192.0.2.1", ",", ";", `for="[::1]:1"`, "%", "\\"}
	for _, s := range seeds {
		f.Add(s, false)
		f.Add(s, true)
	}
	const saw = "198.51.100.9"
	f.Fuzz(func(t *testing.T, written string, ownLine bool) {
		for _, c := range []struct {
			field       mtls.AddressField
			name, added string
		}{{mtls.XForwardedFor, "X-Forwarded-For", saw}, {mtls.Forwarded, "Forwarded", "for=" + saw}} {
			lines := []string{written + ", " + c.added}
			if ownLine {
				lines = []string{written, c.added}
			}
			r := from(proxyAddr)
			r.Header[c.name] = lines
			proxies, err := mtls.NewProxies(mtls.ProxyConfig{Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
				Format: mtls.NoCertificate, Address: c.field})
			if err != nil {
				t.Fatal(err)
			}
			caller, err := proxies.Identify(r)
			addr, addrErr := caller.Address()
			switch {
			case err != nil:
				if addrErr == nil {
					t.Fatal("an address beside a refusal")
				}
				if (c.field == mtls.XForwardedFor || ownLine) && len(written) < 4<<10 {
					t.Fatalf("%q gets its own request refused", written)
				}
			case addr.String() != saw:
				t.Fatalf("%q made the caller %v", written, addr)
			}
		}
	})
}
