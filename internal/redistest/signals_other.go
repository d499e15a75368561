//go:build !unix

package redistest

// Pause skips the test: this system cannot stop a process without ending it.
func (s *Server) Pause() { s.tb.Skip("redistest: no SIGSTOP on this system") }

// Continue does nothing, because Pause does nothing.
func (s *Server) Continue() {}
