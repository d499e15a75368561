package redisstore

// slotOf is the hash slot of a hash tag: CRC-16/XMODEM modulo 16384, as the specification of Redis
// Cluster says.
func slotOf(tag string) int {
	var crc uint16
	for i := range len(tag) {
		crc = crc<<4 ^ crcOf[crc>>12^uint16(tag[i]>>4)]
		crc = crc<<4 ^ crcOf[crc>>12^uint16(tag[i]&0xf)]
	}
	return int(crc % 16384)
}

// crcOf is CRC-16/XMODEM of four bits.
var crcOf = [16]uint16{
	0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
	0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
}
