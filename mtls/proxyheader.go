package mtls

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

const (
	maxProxyLine   = 107     // bytes of a header of version 1, its end included
	maxProxyHeader = 2 << 10 // bytes of one of version 2
	proxyV2        = "\r\n\r\n\x00\r\nQUIT\n"
	proxyV2Fixed   = len(proxyV2) + 4
)

var errProxyHeader = errors.New("mtls: malformed PROXY header")

// readProxyHeader reads the header at the beginning of a connection, and what came with it. The address is the zero
// one where the proxy speaks for itself.
func readProxyHeader(r io.Reader) (client netip.AddrPort, rest []byte, err error) {
	buf := make([]byte, 0, maxProxyHeader)
	for {
		client, n, err := parseProxyHeader(buf)
		if err != nil {
			return netip.AddrPort{}, nil, err
		}
		if n > 0 {
			return client, append([]byte(nil), buf[n:]...), nil
		}
		got, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+got]
		if got == 0 && err != nil {
			return netip.AddrPort{}, nil, err
		}
	}
}

// parseProxyHeader gives the client and the length of the header at the beginning of data; 0 while more is needed.
func parseProxyHeader(data []byte) (client netip.AddrPort, n int, err error) {
	if begins(data, proxyV2) {
		return parseProxyV2(data)
	}
	if !begins(data, "PROXY ") {
		return netip.AddrPort{}, 0, errProxyHeader
	}
	end := bytes.IndexByte(data[:min(len(data), maxProxyLine)], '\n')
	switch {
	case end < 0 && len(data) >= maxProxyLine:
		return netip.AddrPort{}, 0, errProxyHeader
	case end < 0:
		return netip.AddrPort{}, 0, nil
	}
	line, ok := strings.CutSuffix(string(data[:end]), "\r")
	if !ok || strings.ContainsAny(line, "\r\x00") {
		return netip.AddrPort{}, 0, errProxyHeader
	}
	client, err = parseProxyLine(line)
	return client, end + 1, err
}

// begins reports whether data begins with text, as far as there is data.
func begins(data []byte, text string) bool {
	n := min(len(data), len(text))
	return string(data[:n]) == text[:n]
}

// parseProxyLine reads version 1: PROXY, TCP4 or TCP6, source and destination, their ports, one space between.
func parseProxyLine(line string) (netip.AddrPort, error) {
	parts := strings.Split(line, " ")
	if len(parts) > 1 && parts[1] == "UNKNOWN" { // what follows is to be ignored
		return netip.AddrPort{}, nil
	}
	if len(parts) != 6 || parts[1] != "TCP4" && parts[1] != "TCP6" {
		return netip.AddrPort{}, errProxyHeader
	}
	var ends [2]netip.AddrPort
	for i := range ends {
		addr, err := netip.ParseAddr(parts[2+i])
		port, errPort := strconv.ParseUint(parts[4+i], 10, 16)
		if err != nil || errPort != nil || strconv.FormatUint(port, 10) != parts[4+i] || addr.Is4() != (parts[1] == "TCP4") {
			return netip.AddrPort{}, errProxyHeader
		}
		ends[i] = netip.AddrPortFrom(addr, uint16(port))
	}
	return stated(ends[0])
}

// stated is a client that can be.
func stated(client netip.AddrPort) (netip.AddrPort, error) {
	addr := client.Addr().Unmap()
	if addr.Zone() != "" || addr.IsUnspecified() || addr.IsMulticast() {
		return netip.AddrPort{}, errProxyHeader
	}
	return netip.AddrPortFrom(addr, client.Port()), nil
}

// parseProxyV2 reads version 2. What follows the addresses must be whole, and is not used.
func parseProxyV2(data []byte) (netip.AddrPort, int, error) {
	if len(data) < proxyV2Fixed {
		return netip.AddrPort{}, 0, nil
	}
	command, family := data[12], data[13]
	end := proxyV2Fixed + int(binary.BigEndian.Uint16(data[14:]))
	size := map[byte]int{0x00: 0, 0x11: 4, 0x21: 16}[family]
	switch {
	case command != 0x20 && command != 0x21, end > maxProxyHeader:
		return netip.AddrPort{}, 0, errProxyHeader
	case command == 0x21 && family != 0x00 && size == 0: // datagrams and local sockets are not what we accept
		return netip.AddrPort{}, 0, errProxyHeader
	case len(data) < end:
		return netip.AddrPort{}, 0, nil
	case command == 0x20 || family == 0x00:
		return netip.AddrPort{}, end, nil
	}
	body := data[proxyV2Fixed:end]
	if len(body) < 2*size+4 || !vectors(body[2*size+4:]) {
		return netip.AddrPort{}, 0, errProxyHeader
	}
	addr, _ := netip.AddrFromSlice(body[:size])
	client, err := stated(netip.AddrPortFrom(addr, binary.BigEndian.Uint16(body[2*size:])))
	return client, end, err
}

// vectors reports whether data is a row of type, length and value.
func vectors(data []byte) bool {
	for len(data) > 0 {
		if len(data) < 3 || len(data) < 3+int(binary.BigEndian.Uint16(data[1:])) {
			return false
		}
		data = data[3+int(binary.BigEndian.Uint16(data[1:])):]
	}
	return true
}
