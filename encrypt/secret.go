package encrypt

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is what a Secret shows of itself.
const redacted = "[redacted]"

// Secret is the bytes of a key. Package fmt, encoding/json and log/slog show only that it is one,
// also inside a Key; but fmt asks no method when a verb is misused, as %p is on a struct, which go
// vet reports.
type Secret []byte

// String is not the secret.
func (Secret) String() string { return redacted }

// GoString is not the secret.
func (Secret) GoString() string { return redacted }

// Format writes the same word for every verb and flag.
func (Secret) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// MarshalText is not the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON is not the secret.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// LogValue is not the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
