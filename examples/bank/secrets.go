package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxSecretFile bounds the file of -nonce-secret.
const maxSecretFile = 16 << 10

// readSecrets reads the secrets that processes share: one on each line of a text, else the whole file as it is. No
// file is no secret. Errors name the file, and nothing that is in it.
func readSecrets(name string) ([][]byte, error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("-nonce-secret: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	content, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("-nonce-secret: %w", err)
	case len(content) > maxSecretFile:
		return nil, errors.New("-nonce-secret: the file is too long")
	case bytes.ContainsFunc(content, isBinary):
		return [][]byte{content}, nil
	}
	var secrets [][]byte
	for line := range bytes.Lines(content) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			secrets = append(secrets, line)
		}
	}
	if len(secrets) == 0 {
		return nil, errors.New("-nonce-secret: no secret in the file") // not one that is made up
	}
	return secrets, nil
}

// isBinary tells what text of one secret on each line has not.
func isBinary(r rune) bool {
	return r != '\n' && r != '\r' && r != '\t' && (r < ' ' || r > '~')
}
