package hygiene

import "net/http"

// Headers sets what every response of an API says to browsers and caches, refusals included: it stands
// outside whatever refuses. A handler that knows better sets its own.
//
// Strict-Transport-Security is that of FAPI 2.0 Security Profile section 5.2.3; no-store is what RFC 9440
// section 2.4 asks of responses that depend on a certificate handed on by a proxy.
func Headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		values := [...]string{ // made for this response: handlers may append to them
			"max-age=31536000; includeSubDomains", "nosniff", "no-store", "no-referrer",
			"default-src 'none'; frame-ancestors 'none'", "DENY",
		}
		h := w.Header()
		for i, name := range [...]string{
			"Strict-Transport-Security", "X-Content-Type-Options", "Cache-Control", "Referrer-Policy",
			"Content-Security-Policy", "X-Frame-Options",
		} {
			h[name] = values[i : i+1 : i+1]
		}
		next.ServeHTTP(w, r)
	})
}
