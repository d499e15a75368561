package mtls

import (
	"encoding/base64"
	"strings"
)

// parseRFC9440 reads Client-Cert, an sf-binary (RFC 9651 section 4.2.7), and Client-Cert-Chain, a list of
// them. Neither has parameters (RFC 9440 sections 2.2 and 2.3). The certificate comes first.
func parseRFC9440(cert, chain string) ([][]byte, error) {
	der, rest, err := binaryItem(cert)
	if err != nil || rest != "" {
		return nil, errField
	}
	ders := [][]byte{der}
	for chain != "" {
		if len(ders) > maxChain {
			return nil, errField
		}
		if der, chain, err = binaryItem(strings.TrimLeft(chain, " \t")); err != nil {
			return nil, errField
		}
		ders = append(ders, der)
		chain = strings.TrimLeft(chain, " \t")
		if chain == "" {
			break
		}
		if chain[0] != ',' || len(chain) == 1 {
			return nil, errField
		}
		chain = chain[1:]
	}
	return ders, nil
}

// binaryItem reads base64 between colons and gives what follows it.
func binaryItem(s string) (der []byte, rest string, err error) {
	if s == "" || s[0] != ':' {
		return nil, "", errField
	}
	text, rest, closed := strings.Cut(s[1:], ":")
	if !closed {
		return nil, "", errField
	}
	der, err = decodeBase64(text)
	return der, rest, err
}

var strictBase64 = base64.StdEncoding.Strict()

// decodeBase64 takes what an encoder writes and nothing else: padded, unused bits zero, no line ends.
func decodeBase64(text string) ([]byte, error) {
	if text == "" || len(text)%4 != 0 {
		return nil, errField
	}
	der, err := strictBase64.DecodeString(text)
	// The decoder skips CR and LF, and then there are fewer bytes than the length says.
	if err != nil || len(der) <= len(text)/4*3-3 {
		return nil, errField
	}
	return der, nil
}
