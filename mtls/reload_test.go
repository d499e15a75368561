package mtls_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/mtls"
)

// looking starts a server whose files are looked at every 10 seconds, the default.
func looking(t testing.TB) (*files, *mtls.Source, *tls.Config) {
	t.Helper()
	f := newFiles(t)
	settings := f.config()
	settings.Interval = 0
	source, err := mtls.NewSource(settings)
	if err != nil {
		t.Fatal(err)
	}
	return f, source, serverConfig(t, source, mtls.Optional)
}

// TestLooksOnUse proves with fake time when the files are looked at without Run.
func TestLooksOnUse(t *testing.T) {
	t.Run("on use", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f, _, config := looking(t)
			before := f.shown
			f.server(t, issue(t, nil, forServer))
			time.Sleep(9 * time.Second)
			if got := shows(t, config); got != mtls.ThumbprintText(before.cert) {
				t.Error("the files were read within the interval")
			}
			time.Sleep(time.Second)
			if got := shows(t, config); got != mtls.ThumbprintText(f.shown.cert) {
				t.Error("the files were not read after the interval")
			}
			before = f.shown
			f.server(t, issue(t, nil, forServer))
			time.Sleep(9 * time.Second)
			if got := shows(t, config); got != mtls.ThumbprintText(before.cert) {
				t.Error("the files were read within the second interval")
			}
		})
	})
	t.Run("nothing changed", func(t *testing.T) {
		config := serverConfig(t, newFiles(t).source(t), mtls.Optional)
		first, err := config.GetConfigForClient(nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if next, err := config.GetConfigForClient(nil); next != first || err != nil {
				t.Errorf("another Config for the same files: %v", err)
			}
		}
	})
	t.Run("expiry of what is held", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, source, config := looking(t)
			time.Sleep(2 * time.Hour)
			_ = shows(t, config)
			if err := source.LastError(); err == nil || !strings.Contains(err.Error(), "expired") {
				t.Errorf("LastError: %v", err)
			}
		})
	})
}

// TestRun: a goroutine that outlives Run fails the test at the end of its bubble.
func TestRun(t *testing.T) {
	t.Run("Run", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f, source, _ := looking(t)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- source.Run(ctx) }()
			write(t, f.ca, []byte("broken"))
			time.Sleep(10*time.Second + 1)
			synctest.Wait()
			if source.LastError() == nil {
				t.Error("Run did not look")
			}
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("Run returned %v", err)
			}
		})
	})
	t.Run("Run of a fixed source", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			if err := fixedSource(t).Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Run returned %v", err)
			}
		})
	})
}

// TestReloadUnderLoad replaces all files while clients call, on new and on kept connections.
func TestReloadUnderLoad(t *testing.T) {
	f := newFiles(t)
	ca := issue(t, nil, asLister("ca"))
	f.anchors(t, ca.cert)
	list := filepath.Join(t.TempDir(), "list")
	write(t, list, crl(t, ca, 1, nil))
	settings := f.config()
	settings.CRLFiles, settings.Revocation = []string{list}, nil
	source, err := mtls.NewSource(settings)
	if err != nil {
		t.Fatal(err)
	}
	server := serveAsking(t, &http.Server{TLSConfig: serverConfig(t, source, mtls.Required)}, source.Peer)
	id := issue(t, ca, nil)
	kept := client(t, id, nil)
	var stop atomic.Bool
	var calls atomic.Int64
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			for !stop.Load() {
				fresh := client(t, id, nil)
				for name, c := range map[string]*http.Client{"new": fresh, "kept": kept} {
					if got, _, err := server.get(c); err != nil || got != mtls.ThumbprintText(id.cert) {
						t.Errorf("%s connection: %q, %v", name, got, err)
					}
				}
				fresh.CloseIdleConnections()
				calls.Add(2)
			}
		})
	}
	for calls.Load() < 10 {
		time.Sleep(time.Millisecond)
	}
	for i := range 20 {
		f.server(t, issue(t, nil, forServer))
		f.anchors(t, ca.cert, authority(t, "more").cert)
		write(t, list, crl(t, ca, int64(i+2), nil, issue(t, ca, nil)))
		time.Sleep(5 * time.Millisecond)
	}
	stop.Store(true)
	group.Wait()
	_, state, err := server.get(client(t, id, nil))
	if err != nil || mtls.Thumbprint(state.PeerCertificates[0]) != mtls.Thumbprint(f.shown.cert) {
		t.Errorf("the last certificate is not shown: %v", err)
	}
}
