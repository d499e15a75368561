package main

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/tegata-go/tegata/audit"
)

// aReason is how records name reasons: the package, a colon, the cause.
var aReason = regexp.MustCompile(`^[a-z]+: [A-Za-z0-9, -]*[A-Za-z0-9]$`)

// parseWaiver reads "all", or a list of reasons as records name them. A reason that nothing is refused for waives
// nothing: a slip of the pen leaves the control on.
func parseWaiver(text string) (func(*http.Request, *audit.Refusal) bool, error) {
	if text == "all" {
		return func(*http.Request, *audit.Refusal) bool { return true }, nil
	}
	var reasons []string
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if last := len(reasons) - 1; last >= 0 && part != "" && !strings.Contains(part, ":") {
			reasons[last] += ", " + part // a comma inside a reason: only a reason's beginning has a colon
			continue
		}
		reasons = append(reasons, part)
	}
	for _, reason := range reasons {
		if !aReason.MatchString(reason) {
			return nil, errors.New(`neither all nor reasons such as "token: expired"`)
		}
	}
	return func(_ *http.Request, f *audit.Refusal) bool { return slices.Contains(reasons, string(f.Reason)) }, nil
}
