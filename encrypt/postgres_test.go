//go:build unix

package encrypt_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The same columns in a real PostgreSQL, which the test starts when one is installed. The driver below speaks
// as much of the protocol (PostgreSQL documentation, chapter "Frontend/Backend Protocol") as the test needs:
// the module depends on no driver.
func TestColumnInPostgreSQL(t *testing.T) {
	db := sql.OpenDB(postgres(t))
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.Exec("create table accounts (id text primary key, iban text, digest text)"); err != nil {
		t.Fatal(err)
	}
	columns(t, db, dialect{
		"insert into accounts (id, iban, digest) values ($1, $2, $3)",
		"select id, iban from accounts order by id",
		"select id, iban from accounts where digest = $1",
		"update accounts a set iban = b.iban from accounts b where (a.id, b.id) in (('acc-1', 'acc-2'), ('acc-2', 'acc-1'))",
	})
	var clear int
	if err := db.QueryRow("select count(*) from accounts where iban like '%DE89%' or iban like '%GB29%'").Scan(&clear); err != nil || clear != 0 {
		t.Error(clear, err)
	}
}

// postgres starts a server on a socket of its own.
func postgres(t *testing.T) driver.Connector {
	t.Helper()
	tools, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	find := func(name string) string {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		for _, dir := range tools {
			if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return path
			}
		}
		return ""
	}
	initdb, server := find("initdb"), find("postgres")
	if initdb == "" || server == "" {
		if os.Getenv("TEGATA_REQUIRE_POSTGRES") == "1" {
			t.Fatal("no PostgreSQL server is installed")
		}
		t.Skip("no PostgreSQL server is installed")
	}
	dir, err := os.MkdirTemp("", "pg") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	attributes := &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 { // it refuses to run as root
		attributes.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
		if err := os.Chown(dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(dir, "data")
	run := func(ctx context.Context, name string, args ...string) *exec.Cmd {
		c := exec.CommandContext(ctx, name, args...)
		c.SysProcAttr, c.Dir, c.Env = attributes, dir, []string{"PATH=" + filepath.Dir(name), "LC_ALL=C", "HOME=" + dir}
		return c
	}
	if out, err := run(t.Context(), initdb, "-D", data, "-U", "test", "-A", "trust", "-N", "-E", "UTF8").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c := run(context.Background(), server, "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		_ = c.Wait()
	})
	p := pgConnector(filepath.Join(dir, ".s.PGSQL.5432"))
	for range 200 {
		if conn, err := p.Connect(t.Context()); err == nil {
			_ = conn.Close()
			return p
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("PostgreSQL does not answer")
	return nil
}

type pgConnector string

func (pgConnector) Driver() driver.Driver { return nil }

func (p pgConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", string(p))
	if err != nil {
		return nil, err
	}
	c := &pgConn{conn: conn, in: bufio.NewReader(conn)}
	start := binary.BigEndian.AppendUint32(nil, 3<<16)
	start = append(start, "user\x00test\x00database\x00postgres\x00\x00"...)
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(start)+4)), start...)); err != nil {
		return nil, err
	}
	if _, _, err := c.answer(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

type pgConn struct {
	conn net.Conn
	in   *bufio.Reader
}

func (c *pgConn) Begin() (driver.Tx, error)                 { return nil, errors.ErrUnsupported }
func (c *pgConn) Close() error                              { return c.conn.Close() }
func (c *pgConn) Prepare(query string) (driver.Stmt, error) { return &pgStmt{c, query}, nil }

// answer reads until the server is ready again, and gives the names of the columns and the rows.
func (c *pgConn) answer() (names []string, rows [][]driver.Value, err error) {
	for {
		var head [5]byte
		if _, err := io.ReadFull(c.in, head[:]); err != nil {
			return nil, nil, err
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(c.in, body); err != nil {
			return nil, nil, err
		}
		switch head[0] {
		case 'E':
			err = fmt.Errorf("postgres: %q", body)
			if bytes.Contains(body, []byte("FATAL")) {
				return nil, nil, err
			}
		case 'T':
			for body = body[2:]; len(body) > 0; {
				name, rest, _ := bytes.Cut(body, []byte{0})
				names, body = append(names, string(name)), rest[18:]
			}
		case 'D':
			rows = append(rows, pgRow(body))
		case 'Z':
			return names, rows, err
		}
	}
}

func pgRow(body []byte) (row []driver.Value) {
	for body = body[2:]; len(body) > 0; {
		n := int32(binary.BigEndian.Uint32(body))
		if body = body[4:]; n < 0 {
			row = append(row, nil)
			continue
		}
		row, body = append(row, string(body[:n])), body[n:]
	}
	return row
}

type pgStmt struct {
	conn  *pgConn
	query string
}

func (*pgStmt) Close() error    { return nil }
func (s *pgStmt) NumInput() int { return strings.Count(s.query, "$") }

func (s *pgStmt) run(args []driver.Value) ([]string, [][]driver.Value, error) {
	var out []byte
	message := func(kind byte, body []byte) {
		out = append(binary.BigEndian.AppendUint32(append(out, kind), uint32(len(body)+4)), body...)
	}
	message('P', []byte("\x00"+s.query+"\x00\x00\x00"))
	bind := binary.BigEndian.AppendUint16([]byte{0, 0, 0, 0}, uint16(len(args)))
	for _, arg := range args {
		if arg == nil {
			bind = append(bind, 0xff, 0xff, 0xff, 0xff)
			continue
		}
		text := fmt.Sprint(arg)
		bind = append(binary.BigEndian.AppendUint32(bind, uint32(len(text))), text...)
	}
	message('B', append(bind, 0, 0))
	message('D', []byte("P\x00"))
	message('E', []byte{0, 0, 0, 0, 0})
	message('S', nil)
	if _, err := s.conn.conn.Write(out); err != nil {
		return nil, nil, err
	}
	return s.conn.answer()
}

func (s *pgStmt) Exec(args []driver.Value) (driver.Result, error) {
	_, _, err := s.run(args)
	return driver.RowsAffected(1), err
}

func (s *pgStmt) Query(args []driver.Value) (driver.Rows, error) {
	names, rows, err := s.run(args)
	return &pgRows{names, rows}, err
}

type pgRows struct {
	names []string
	rows  [][]driver.Value
}

func (r *pgRows) Columns() []string { return r.names }
func (*pgRows) Close() error        { return nil }
func (r *pgRows) Next(dest []driver.Value) error {
	if len(r.rows) == 0 {
		return io.EOF
	}
	copy(dest, r.rows[0])
	r.rows = r.rows[1:]
	return nil
}
