// Package audit answers refusals and leaves one record of what was decided about each request.
//
// It is the ground floor: the function that refuses is the function that records, so no refusal
// goes unrecorded, and report-only has a place to report to.
//
//	trail, err := audit.New(audit.Config{Handler: audit.NewLines(file)})
//	http.ListenAndServe(addr, trail.Wrap(mux))
//
// Log.Wrap stands outermost. It opens the record of the request, gives every response its
// x-fapi-interaction-id and writes exactly one record through a slog.Handler before the first
// byte of the answer leaves. A layer that says no returns a *Refusal and is written as
//
//	if err := door(r); audit.Refused(w, r, err) {
//		return
//	}
//
// What a record never holds: a raw path or query, a header, a body, a token, the text of an error
// or of a panic. Facts that inner layers Add are bounded in number and length and free of control
// characters.
package audit
