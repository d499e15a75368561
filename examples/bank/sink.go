package main

import (
	"io"

	"github.com/tegata-go/tegata/audit"
)

// openAudit gives what audit records are written to: file, or standard error when it is empty. Whoever reads it may
// stop reading: the audit log answers 503 then, where all requests would hang.
func openAudit(file string, stderr io.Writer) (*audit.Writer, error) {
	if file == "" {
		return audit.NewWriter(audit.WriterConfig{Out: stderr})
	}
	return audit.NewWriter(audit.WriterConfig{Path: file})
}
