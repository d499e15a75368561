package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tegata-go/tegata/audit"
)

// MetadataConfig configures NewMetadata. What the Verifiers enforce is read from them; the rest is said here.
type MetadataConfig struct {
	_ [0]func()

	// Resource is the identifier of this protected resource: an https URL without fragment and query, the one that
	// clients know and that stands in aud. Required.
	Resource string

	// Verifiers guard the resource. At least one.
	Verifiers []*Verifier

	// AuthorizationServers are issuer identifiers, Scopes the scopes in use, DetailTypes the types of
	// authorization_details that are understood. Empty lists are left out.
	AuthorizationServers []string
	Scopes               []string
	DetailTypes          []string

	// Name, Documentation, Policy and Terms are for people: resource_name and three URLs. Empty ones are left out.
	Name, Documentation, Policy, Terms string
}

// Metadata serves the protected resource metadata (RFC 9728 §3): a document without secrets, for GET and HEAD,
// without authentication, that any origin may read.
type Metadata struct {
	path string
	body []byte
}

// document is RFC 9728 §2; members without a value are left out (§3.2).
type document struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers,omitempty"`
	Scopes               []string `json:"scopes_supported,omitempty"`
	BearerMethods        []string `json:"bearer_methods_supported,omitempty"`
	Name                 string   `json:"resource_name,omitempty"`
	Documentation        string   `json:"resource_documentation,omitempty"`
	Policy               string   `json:"resource_policy_uri,omitempty"`
	Terms                string   `json:"resource_tos_uri,omitempty"`
	CertificateBound     bool     `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	DetailTypes          []string `json:"authorization_details_types_supported,omitempty"`
	ProofAlgorithms      []string `json:"dpop_signing_alg_values_supported,omitempty"`
	ProofRequired        bool     `json:"dpop_bound_access_tokens_required,omitempty"`
}

// NewMetadata makes the document once, or reports every mistake in c.
func NewMetadata(c MetadataConfig) (*Metadata, error) {
	var all []error
	path, err := MetadataPath(c.Resource)
	if err != nil {
		all = append(all, err)
	}
	if len(c.Verifiers) == 0 || slices.Contains(c.Verifiers, nil) {
		all = append(all, errors.New("token: MetadataConfig.Verifiers is required"))
	}
	for _, u := range append(slices.Clone(c.AuthorizationServers), c.Documentation, c.Policy, c.Terms) {
		if u == "" {
			continue
		}
		if parsed, err := url.Parse(u); err != nil || parsed.Scheme != "https" || parsed.Host == "" {
			all = append(all, fmt.Errorf("token: MetadataConfig: %q is not an https URL", u))
		}
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	d := document{
		Resource: c.Resource, AuthorizationServers: c.AuthorizationServers, Scopes: c.Scopes, BearerMethods: []string{"header"},
		Name: c.Name, Documentation: c.Documentation, Policy: c.Policy, Terms: c.Terms, DetailTypes: c.DetailTypes, ProofRequired: true,
	}
	for _, v := range c.Verifiers {
		d.CertificateBound = d.CertificateBound || v.challenges.bearer
		d.ProofRequired = d.ProofRequired && !v.challenges.bearer
		for _, alg := range v.proofAlgorithms {
			if v.challenges.dpop && !slices.Contains(d.ProofAlgorithms, alg) {
				d.ProofAlgorithms = append(d.ProofAlgorithms, alg)
			}
		}
	}
	body, err := json.Marshal(d)
	return &Metadata{path: path, body: body}, err
}

// MetadataPath is where the document of resource is (RFC 9728 §3.1): the well-known path stands between host and
// path, and a trailing slash after the host is left out.
func MetadataPath(resource string) (string, error) {
	u, err := url.Parse(resource)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.ContainsAny(resource, "?#") {
		return "", errors.New("token: MetadataConfig.Resource is not an https URL without query and fragment")
	}
	path := u.EscapedPath()
	if path == "/" {
		path = ""
	}
	return "/.well-known/oauth-protected-resource" + path, nil
}

// Path is where the document is to be mounted.
func (m *Metadata) Path() string { return m.path }

// ServeHTTP serves the document.
func (m *Metadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		audit.Refused(w, r, &audit.Refusal{Reason: audit.ErrMethodNotAllowed, Status: http.StatusMethodNotAllowed,
			Detail: "the resource has no such method", Header: http.Header{"Allow": {"GET, HEAD"}}, Final: true})
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(m.body)))
	h.Set("Cache-Control", "public, max-age=3600")
	h.Set("Access-Control-Allow-Origin", "*")
	_, _ = w.Write(m.body) // the client may be gone
}
