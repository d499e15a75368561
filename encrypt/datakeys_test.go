package encrypt_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/encrypt"
)

// E8: one call to the service for many values, within limits of uses and time; an outage is 503.
func TestDataKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, service := context.Background(), newKMS(t)
		c := service.config()
		c.MaxUses, c.MaxAge = 3, time.Minute
		v := vault(t, dataKeys(t, c))
		var all [][]byte
		one := func() {
			t.Helper()
			sealed, err := v.Seal(ctx, []byte("DE89"), home)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, sealed)
		}
		for range 7 {
			one()
		}
		if service.wraps != 3 {
			t.Error(service.wraps, "wraps for 7 values of which a key seals 3")
		}
		time.Sleep(time.Minute)
		one()
		if service.wraps != 4 {
			t.Error("a key was used beyond its time")
		}
		for range 2 {
			for _, sealed := range all {
				if plain, err := v.Open(ctx, sealed, home); err != nil || string(plain) != "DE89" {
					t.Fatal(err)
				}
			}
		}
		if service.opened != 3 {
			t.Error(service.opened, "unwraps; three keys were past their time")
		}
		fresh := vault(t, dataKeys(t, c))
		if _, err := fresh.Open(ctx, all[0], home); err != nil {
			t.Error(err)
		}
		service.down = errors.New("secret text")
		time.Sleep(time.Minute)
		_, err := v.Seal(ctx, nil, home)
		refused(t, err, encrypt.ErrKeys, http.StatusServiceUnavailable)
		if strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
		_, err = v.Open(ctx, all[0], home)
		refused(t, err, encrypt.ErrKeys, http.StatusServiceUnavailable)
		service.down = nil
		one()
		again, changed, err := v.Reseal(ctx, all[0], home)
		if err != nil || changed || !bytes.Equal(again, all[0]) {
			t.Error(changed, err)
		}
		c.KeyID = "kms-2"
		if _, changed, err = vault(t, dataKeys(t, c)).Reseal(ctx, all[0], home); err != nil || !changed {
			t.Error(changed, err)
		}
	})
}

// Who waits for a data key that somebody else is asking for gives up with its own context.
func TestDataKeysHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newKMS(t).config()
		c.Wrap = func(ctx context.Context, _ []byte) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		v := vault(t, dataKeys(t, c))
		slow, stop := context.WithTimeout(context.Background(), time.Hour)
		defer stop()
		go func() { _, _ = v.Seal(slow, nil, home) }()
		synctest.Wait()
		quick, stopQuick := context.WithTimeout(context.Background(), time.Second)
		defer stopQuick()
		began := time.Now()
		_, err := v.Seal(quick, nil, home)
		refused(t, err, encrypt.ErrKeys, 503)
		if time.Since(began) != time.Second {
			t.Error(time.Since(began))
		}
	})
}
