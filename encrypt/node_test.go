package encrypt_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/encrypt"
)

type nodeOpen struct {
	JWE string          `json:"jwe"`
	JWK json.RawMessage `json:"jwk"`
}

type nodeSeal struct {
	Plain string          `json:"plain"`
	Alg   string          `json:"alg"`
	JWK   json.RawMessage `json:"jwk"`
}

// node opens and seals with the jose package of Node.js, found in the directory TEGATA_NODE_MODULES.
func node(t *testing.T, open []nodeOpen, seal []nodeSeal) (opened, sealed []string) {
	t.Helper()
	in, err := json.Marshal(map[string]any{"open": open, "seal": seal})
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("node", "testdata/jose.mjs")
	c.Stdin = bytes.NewReader(in)
	var complaints strings.Builder
	c.Stderr = &complaints
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, complaints.String())
	}
	var result struct{ Opened, Sealed []string }
	if err := json.Unmarshal(out, &result); err != nil || len(result.Opened) != len(open) || len(result.Sealed) != len(seal) {
		t.Fatalf("%v %s", err, out)
	}
	return result.Opened, result.Sealed
}

// jose opens what we seal, and we open what it seals, for each kind of key: fields, objects, whole bodies.
func TestNodeJose(t *testing.T) {
	if os.Getenv("TEGATA_NODE_MODULES") == "" {
		t.Skip("TEGATA_NODE_MODULES names no directory with the jose package")
	}
	values := []string{`"DE89 ü \u00e9"`, `9007199254740993`, `0.10`, `{"b":[1, null]}`}
	doc := func(inside func(int) string) string {
		var all []string
		for i := range values {
			all = append(all, inside(i))
		}
		return `[` + strings.Join(all, ",") + `]`
	}
	clear := doc(func(i int) string { return values[i] })
	type kind struct {
		name, alg string
		config    encrypt.Config
		jwk       json.RawMessage // private
		to        encrypt.Binding
	}
	symmetric := json.RawMessage(`{"kty":"oct","kid":"k1","k":"` + base64.RawURLEncoding.EncodeToString(secret('1')) + `"}`)
	kinds := []kind{
		{"A256GCM", "dir", encrypt.Config{Keys: ring(t, "k1")}, symmetric, encrypt.Binding{}},
		{"A256KW", "A256KW", encrypt.Config{Keys: wrapping(t, "k1")}, symmetric, encrypt.Binding{}},
	}
	for _, p := range people(t) {
		kinds = append(kinds, kind{p.alg, p.alg, encrypt.Config{Recipient: p.recipient(t).Always, Private: p.keys(t)},
			json.RawMessage(strings.TrimSuffix(strings.TrimPrefix(p.private, `{"keys":[`), `]}`)), encrypt.Binding{Recipient: p.recipient(t)}})
	}
	for _, k := range kinds {
		t.Run("RFC7516-5.2-2/"+k.name, func(t *testing.T) {
			k.config.Seal, k.config.Open, k.config.DangerouslyOpenUnbound = []string{"/*"}, []string{"/*"}, true
			f, err := encrypt.New(k.config)
			if err != nil {
				t.Fatal(err)
			}
			ours := seal(t, f, clear, k.to)
			b := bodies(t, encrypt.BodiesConfig{Keys: k.config.Keys, Recipient: k.config.Recipient, Private: k.config.Private, Seal: true, Open: true, DangerouslyOpenUnbound: true})
			s, _ := behind(t, b, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", jsonType)
				_, _ = io.Copy(w, r.Body)
			})
			var open []nodeOpen
			var seals []nodeSeal
			for i := range values {
				open = append(open, nodeOpen{sealedAt(t, ours, i), k.jwk})
				seals = append(seals, nodeSeal{values[i], k.alg, k.jwk})
			}
			seals = append(seals, nodeSeal{clear, k.alg, k.jwk})
			opened, sealed := node(t, open, seals)
			if fmt.Sprint(opened) != fmt.Sprint(values) {
				t.Errorf("jose opens to %q", opened)
			}
			theirs := doc(func(i int) string { return `"` + sealed[i] + `"` })
			if back, err := f.OpenJSON(context.Background(), nil, []byte(theirs), encrypt.Binding{}); err != nil || string(back) != clear {
				t.Error(string(back), err)
			}
			res, body, err := call(t, s, "POST", sealed[len(values)], "Content-Type", encrypt.JOSE)
			if err != nil || res.StatusCode != 200 {
				t.Fatal(res, err)
			}
			if opened, _ := node(t, []nodeOpen{{body, k.jwk}}, nil); opened[0] != clear {
				t.Errorf("jose opens the body to %q", opened)
			}
		})
	}
}
