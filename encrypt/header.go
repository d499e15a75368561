package encrypt

import (
	"net/http"
	"strings"
)

// judge says, before a body leaves under a header, whether its fields can be found, and gives its
// media type. Everything that is not one whole JSON text in the clear is refused: in it a field
// would go unseen.
func judge(status int, h http.Header) (string, error) {
	if status == http.StatusPartialContent || len(h["Content-Range"]) > 0 {
		return "", unsealed(why("a part of a body"))
	}
	if len(h["Content-Encoding"]) > 0 {
		return "", unsealed(why("a body with a content coding"))
	}
	name, ok := media(h["Content-Type"])
	if !ok {
		return "", unsealed(why("a body that is not JSON"))
	}
	return name, nil
}

// amend takes back what a handler said of bytes that will not be the ones sent.
func amend(h http.Header) {
	delete(h, "Content-Length")
	delete(h, "Accept-Ranges")
	for i, name := range stale {
		delete(h, name)
		delete(h, staleTrailers[i])
	}
	// Sealed twice, one content has two forms: only a weak validator is true (RFC 9110 §8.8.1).
	if tags := h["Etag"]; len(tags) == 1 && strings.HasPrefix(tags[0], `"`) {
		h["Etag"] = []string{"W/" + tags[0]}
	} else if len(tags) > 0 && !strings.HasPrefix(tags[0], "W/") {
		delete(h, "Etag")
	}
}
