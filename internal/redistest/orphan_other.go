//go:build !linux

package redistest

import "syscall"

// dieWithParent has no counterpart on this system: Cleanup ends the server.
func dieWithParent() *syscall.SysProcAttr { return nil }
