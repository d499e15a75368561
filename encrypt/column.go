package encrypt

import (
	"context"
	"database/sql/driver"
	"errors"
)

// Column is a sealed column of a database: text, varchar or bytea.
type Column struct {
	vault *Vault
	name  string
}

// NewColumn names a column, for example "accounts.iban", that v seals. The name is authenticated with every
// value: it must stay when the column is renamed.
func NewColumn(v *Vault, name string) (*Column, error) {
	if v == nil || v.keys == nil || name == "" {
		return nil, errors.New("encrypt: a Column needs a Vault and a name")
	}
	return &Column{vault: v, name: name}, nil
}

// Cell is one value of a Column on its way into the database, as a driver.Valuer, or out of it, as a
// sql.Scanner. It is used for one statement or one row.
type Cell struct {
	// Null says that the column is NULL: Value stores it, and Scan sets it.
	Null bool

	ctx    context.Context
	column *Column
	client string
	record *string
	set    func([]byte)
	get    func() []byte
}

// Text is the Cell of a string. Record points to the identity of the row, which is authenticated: when a row
// is scanned it may be a column to the left, because columns are scanned in order. Client is whose value it
// is, or empty. ctx is for the keys; database/sql hands none to a Cell.
func (c *Column) Text(ctx context.Context, client string, record, value *string) *Cell {
	return &Cell{ctx: ctx, column: c, client: client, record: record,
		set: func(b []byte) { *value = string(b) }, get: func() []byte { return []byte(*value) }}
}

// Bytes is the Cell of bytes, otherwise as Text.
func (c *Column) Bytes(ctx context.Context, client string, record *string, value *[]byte) *Cell {
	return &Cell{ctx: ctx, column: c, client: client, record: record,
		set: func(b []byte) { *value = append((*value)[:0], b...) }, get: func() []byte { return append([]byte(nil), *value...) }}
}

func (c *Cell) place() (Place, error) {
	if c.column == nil || c.record == nil || *c.record == "" {
		return Place{}, unbound()
	}
	return Place{Name: c.column.name, Client: c.client, Record: *c.record}, nil
}

// Value seals the value: it makes a Cell a driver.Valuer.
func (c *Cell) Value() (driver.Value, error) {
	if c.Null {
		return nil, nil
	}
	at, err := c.place()
	if err != nil {
		return nil, err
	}
	plain := c.get()
	defer clear(plain)
	sealed, err := c.column.vault.Seal(c.ctx, plain, at)
	if err != nil {
		return nil, err
	}
	return string(sealed), nil
}

// Scan opens the value: it makes a Cell a sql.Scanner. A value in clear is refused.
func (c *Cell) Scan(src any) error {
	var sealed []byte
	switch src := src.(type) {
	case nil:
		c.Null = true
		return nil
	case string:
		sealed = []byte(src)
	case []byte:
		sealed = src
	default:
		return ofStored(causeParts)
	}
	at, err := c.place()
	if err != nil {
		return err
	}
	plain, err := c.column.vault.Open(c.ctx, sealed, at)
	if err != nil {
		return err
	}
	defer clear(plain)
	c.Null = false
	c.set(plain)
	return nil
}
