package encrypt_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/encrypt"
)

// table is a database of one table with the columns id, iban and digest: as a driver it understands
// "insert" with three values, "select id, iban" for a digest, and "swap" of two rows' values.
type table struct{ rows [][3]driver.Value }

func (t *table) Connect(context.Context) (driver.Conn, error) { return t, nil }
func (t *table) Driver() driver.Driver                        { return nil }
func (t *table) Begin() (driver.Tx, error)                    { return nil, errors.ErrUnsupported }
func (t *table) Close() error                                 { return nil }
func (t *table) Prepare(query string) (driver.Stmt, error)    { return &statement{t, query}, nil }

type statement struct {
	table *table
	query string
}

func (*statement) Close() error  { return nil }
func (*statement) NumInput() int { return -1 }

func (s *statement) Exec(args []driver.Value) (driver.Result, error) {
	switch s.query {
	case "insert":
		s.table.rows = append(s.table.rows, [3]driver.Value{args[0], args[1], args[2]})
	case "swap":
		s.table.rows[0][1], s.table.rows[1][1] = s.table.rows[1][1], s.table.rows[0][1]
	}
	return driver.RowsAffected(1), nil
}

func (s *statement) Query(args []driver.Value) (driver.Rows, error) {
	r := &found{}
	for _, row := range s.table.rows {
		if len(args) == 0 || row[2] == args[0] {
			r.rows = append(r.rows, row)
		}
	}
	return r, nil
}

type found struct{ rows [][3]driver.Value }

func (*found) Columns() []string { return []string{"id", "iban"} }
func (*found) Close() error      { return nil }
func (f *found) Next(dest []driver.Value) error {
	if len(f.rows) == 0 {
		return io.EOF
	}
	dest[0], dest[1] = f.rows[0][0], f.rows[0][1]
	f.rows = f.rows[1:]
	return nil
}

// dialect is how one database writes the statements of the test.
type dialect struct{ insert, selectAll, selectOne, swap string }

// Columns go into a database sealed and come out again, in their own row only.
func TestColumn(t *testing.T) {
	data := &table{}
	columns(t, sql.OpenDB(data), dialect{"insert", "select", "select", "swap"})
	for _, row := range data.rows {
		if text := fmt.Sprint(row); strings.Contains(text, "DE89") || strings.Contains(text, "GB29") {
			t.Error("in clear:", text)
		}
	}
}

func columns(t *testing.T, db *sql.DB, d dialect) {
	t.Helper()
	ctx, ring := context.Background(), wrapping(t, "k1")
	ibans, err := encrypt.NewColumn(vault(t, ring), "accounts.iban")
	if err != nil {
		t.Fatal(err)
	}
	people := map[string]string{"acc-1": "DE89370400440532013000", "acc-2": "GB29NWBK60161331926819"}
	for _, id := range []string{"acc-1", "acc-2"} {
		iban := people[id]
		if _, err := db.ExecContext(ctx, d.insert, id, ibans.Text(ctx, "", &id, &iban), ring.Digests("accounts.iban", []byte(iban))[0]); err != nil {
			t.Fatal(err)
		}
	}
	id, nothing := "acc-3", ibans.Text(ctx, "", new(string), new(string))
	nothing.Null = true
	if _, err := db.ExecContext(ctx, d.insert, id, nothing, "none"); err != nil {
		t.Fatal(err)
	}
	rows, err := db.QueryContext(ctx, d.selectAll)
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for rows.Next() {
		var id, iban string
		cell := ibans.Text(ctx, "", &id, &iban)
		if err := rows.Scan(&id, cell); err != nil || iban != people[id] || cell.Null != (id == "acc-3") {
			t.Error(id, iban, cell.Null, err)
		}
		read++
	}
	if err := rows.Err(); err != nil || read != 3 {
		t.Fatal(read, err)
	}
	// It is found by its digest.
	var raw []byte
	err = db.QueryRowContext(ctx, d.selectOne, ring.Digests("accounts.iban", []byte(people["acc-2"]))[0]).Scan(&id, ibans.Bytes(ctx, "", &id, &raw))
	if err != nil || id != "acc-2" || string(raw) != people["acc-2"] {
		t.Error(id, string(raw), err)
	}
	// pitfall-99: who can write to the database cannot exchange two values.
	if _, err := db.ExecContext(ctx, d.swap); err != nil {
		t.Fatal(err)
	}
	raw = nil
	err = db.QueryRowContext(ctx, d.selectOne, ring.Digests("accounts.iban", []byte(people["acc-2"]))[0]).Scan(&id, ibans.Bytes(ctx, "", &id, &raw))
	if !errors.Is(err, encrypt.ErrStored) || len(raw) > 0 {
		t.Error(string(raw), err)
	}
}

func TestCell(t *testing.T) {
	ctx := context.Background()
	c, err := encrypt.NewColumn(vault(t, ring(t, "k1")), "accounts.iban")
	if err != nil {
		t.Fatal(err)
	}
	id, plain := "acc-1", []byte("DE89")
	v, err := c.Bytes(ctx, "c1", &id, &plain).Value()
	if err != nil || string(plain) != "DE89" {
		t.Fatal("sealing changed the value", err)
	}
	var back string
	if err := c.Text(ctx, "c1", &id, &back).Scan(v); err != nil || back != "DE89" {
		t.Error(back, err)
	}
	if err := c.Text(ctx, "c1", &id, &back).Scan([]byte(v.(string))); err != nil {
		t.Error(err)
	}
	cell := c.Text(ctx, "c1", &id, &back)
	if err := cell.Scan(nil); err != nil || !cell.Null {
		t.Error(err)
	}
	if err := cell.Scan(v); err != nil || cell.Null {
		t.Error("Null stays", err)
	}
	back = "before"
	for _, src := range []any{"DE89", []byte{}, 1, true} {
		refused(t, c.Text(ctx, "c1", &id, &back).Scan(src), encrypt.ErrStored, 500)
	}
	refused(t, c.Text(ctx, "c2", &id, &back).Scan(v), encrypt.ErrStored, 500)
	if back != "before" {
		t.Error(back)
	}
	_, err = c.Text(ctx, "c1", new(string), &back).Value()
	refused(t, err, encrypt.ErrBinding, 500)
	refused(t, c.Text(ctx, "c1", new(string), &back).Scan(v), encrypt.ErrBinding, 500)
	refused(t, new(encrypt.Cell).Scan("x"), encrypt.ErrBinding, 500)
}
