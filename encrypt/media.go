package encrypt

import (
	"mime"
	"strings"
)

const jsonType = "application/json"

// media gives the media type of a Content-Type field in lower case and without parameters, and
// whether it is one JSON text: application/json or application/*+json (RFC 6839 §3.1) in UTF-8.
func media(field []string) (string, bool) {
	if len(field) != 1 {
		return "", false
	}
	if field[0] == jsonType || field[0] == jsonType+"; charset=utf-8" { // nearly always
		return jsonType, true
	}
	name, params, err := mime.ParseMediaType(field[0])
	if err != nil {
		return "", false
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return "", false
	}
	if name == jsonType {
		return jsonType, true
	}
	sub, ok := strings.CutPrefix(name, "application/")
	return name, ok && strings.HasSuffix(sub, "+json") && sub != "+json"
}
