// Package service is the bank's resource server: the chain of Tegata's layers, and the handlers inside it.
//
// Handler puts the chain together, NewServer puts TLS around it, and Serve runs that until it is told to end.
// Copy chain.go to begin with: it is the whole of the security.
package service
