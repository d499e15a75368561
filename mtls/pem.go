package mtls

import "strings"

const (
	pemBegin = "-----BEGIN CERTIFICATE-----"
	pemEnd   = "-----END CERTIFICATE-----"
	pemLine  = 64 // characters of base64 in a line (RFC 7468 section 2)
)

// parsePEM reads 1 to most certificates as OpenSSL writes them, with end for the end of a line. Only the
// very last line may lack it.
func parsePEM(text string, end byte, most int) ([][]byte, error) {
	var ders [][]byte
	for text != "" {
		if len(ders) == most {
			return nil, errField
		}
		der, rest, err := pemBlock(text, end)
		if err != nil {
			return nil, err
		}
		ders = append(ders, der)
		text = rest
	}
	if len(ders) == 0 {
		return nil, errField
	}
	return ders, nil
}

func pemBlock(text string, end byte) (der []byte, rest string, err error) {
	text, ok := strings.CutPrefix(text, pemBegin)
	if !ok || text == "" || text[0] != end {
		return nil, "", errField
	}
	text = text[1:]
	stop := strings.IndexByte(text, '-') // not a character of base64
	if stop < 0 {
		return nil, "", errField
	}
	lines, rest := text[:stop], text[stop:]
	if rest, ok = strings.CutPrefix(rest, pemEnd); !ok {
		return nil, "", errField
	}
	if rest != "" {
		if rest[0] != end {
			return nil, "", errField
		}
		rest = rest[1:]
	}
	body := make([]byte, 0, len(lines))
	for lines != "" {
		i := strings.IndexByte(lines, end)
		if i <= 0 || i > pemLine || i < pemLine && i+1 < len(lines) {
			return nil, "", errField
		}
		body = append(body, lines[:i]...)
		lines = lines[i+1:]
	}
	der, err = decodeBase64(string(body))
	return der, rest, err
}

// parseEscaped reads percent-encoded PEM, as nginx and Envoy write it. What base64 has besides letters and
// digits must be encoded: a bare + is a space to some.
func parseEscaped(text string, most int) ([][]byte, error) {
	plain := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '%' {
			if i+2 >= len(text) {
				return nil, errField
			}
			if c = escapedAs(text[i+1 : i+3]); c == 0 {
				return nil, errField
			}
			i += 2
		} else if !isAlphanumeric(c) && c != '-' {
			return nil, errField
		}
		plain = append(plain, c)
	}
	return parsePEM(string(plain), '\n', most)
}

// escapedAs gives the character of an escape; 0 for one that PEM does not have.
func escapedAs(hex string) byte {
	switch hex {
	case "0A", "0a":
		return '\n'
	case "20":
		return ' '
	case "2B", "2b":
		return '+'
	case "2F", "2f":
		return '/'
	case "3D", "3d":
		return '='
	}
	return 0
}
