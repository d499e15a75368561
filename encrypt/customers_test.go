package encrypt_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/encrypt"
)

// E12: with a customer's key everything of that customer is gone, and of nobody else.
func TestErase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, rows := context.Background(), &store{rows: map[string][]byte{}}
		master := vault(t, wrapping(t, "k1"))
		keys := customers(t, rows, master)
		v, elsewhere := vault(t, keys), vault(t, customers(t, rows, master))
		other := home
		other.Client = "c2"
		mine, err := v.Seal(ctx, []byte("DE89"), home)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := v.Seal(ctx, []byte("GB29"), other)
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := elsewhere.Open(ctx, mine, home); err != nil || string(plain) != "DE89" {
			t.Fatal(err)
		}
		if bytes.Equal(rows.rows["c1"], rows.rows["c2"]) || len(rows.rows) != 2 {
			t.Error("customers share a key")
		}
		if err := keys.Erase(ctx, "c1"); err != nil {
			t.Fatal(err)
		}
		_, err = v.Open(ctx, mine, home)
		refused(t, err, encrypt.ErrErased, 403)
		time.Sleep(time.Minute)
		_, err = elsewhere.Open(ctx, mine, home)
		refused(t, err, encrypt.ErrErased, 403)
		if plain, err := v.Open(ctx, theirs, other); err != nil || string(plain) != "GB29" {
			t.Error(err)
		}
		// A new key for the same customer opens nothing of the old.
		if _, err := v.Seal(ctx, []byte("new"), home); err != nil {
			t.Fatal(err)
		}
		_, err = v.Open(ctx, mine, home)
		refused(t, err, encrypt.ErrErased, 403)
		// The key of one customer put in the place of another's is none.
		rows.rows["c3"] = rows.rows["c2"]
		_, err = v.Seal(ctx, nil, encrypt.Place{Name: "x", Client: "c3"})
		refused(t, err, encrypt.ErrStored, 500)
		rows.down = errors.New("down")
		for _, err := range []error{keys.Erase(ctx, "c2"), func() error { _, err := v.Open(ctx, theirs, other); return err }(),
			func() error { _, err := v.Seal(ctx, nil, encrypt.Place{Name: "x", Client: "c9"}); return err }()} {
			refused(t, err, encrypt.ErrKeys, 503)
		}
		refused(t, keys.Erase(ctx, ""), encrypt.ErrBinding, 500)
		_, err = v.Seal(ctx, nil, encrypt.Place{Name: "x"})
		refused(t, err, encrypt.ErrBinding, 500)
	})
}

// What is loaded while a key is erased does not come back through the cache.
func TestEraseWhileLoading(t *testing.T) {
	ctx, rows := context.Background(), &store{rows: map[string][]byte{}}
	c := rows.config(vault(t, wrapping(t, "k1")))
	load := c.Load
	var keys *encrypt.CustomerKeys
	meanwhile := func() {}
	c.Load = func(ctx context.Context, id string) ([]byte, error) {
		sealed, err := load(ctx, id)
		meanwhile()
		return sealed, err
	}
	keys, err := encrypt.NewCustomerKeys(c)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := vault(t, keys).Seal(ctx, []byte("DE89"), home)
	if err != nil {
		t.Fatal(err)
	}
	if keys, err = encrypt.NewCustomerKeys(c); err != nil { // with nothing remembered
		t.Fatal(err)
	}
	v := vault(t, keys)
	meanwhile = func() {
		meanwhile = func() {}
		if err := keys.Erase(ctx, "c1"); err != nil {
			t.Error(err)
		}
	}
	_, _ = v.Open(ctx, sealed, home) // it was loaded before
	_, err = v.Open(ctx, sealed, home)
	refused(t, err, encrypt.ErrErased, 403)
}
