// Command bank is a bank's resource server built of Tegata's layers.
//
//	go run ./examples/bank             the tour: a client and an attacker call the bank, and it says why what happens
//	go run ./examples/bank serve ...   the service, for anybody's client and any authorization server
//	go run ./examples/bank serve -help all flags and routes
//
// The chain is in service/chain.go.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/tegata-go/tegata/examples/bank/tour"
)

func main() {
	// Whoever reads our output may go away: a write then fails, which the audit log answers with 503, and does
	// not end the process.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run gives the exit code: 0, 1 for what failed, 2 for a command line that means nothing.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	switch {
	case len(args) == 0:
		return tour.Run(ctx, stdout, tour.Config{})
	case args[0] == "serve":
		return serve(ctx, args[1:], stdout, stderr)
	case len(args) == 1 && (args[0] == "help" || args[0] == "-h" || args[0] == "-help" || args[0] == "--help"):
		_, _ = fmt.Fprint(stdout, usage)
		return 0
	}
	_, _ = fmt.Fprint(stderr, "bank: unknown command\n\n", usage)
	return 2
}
