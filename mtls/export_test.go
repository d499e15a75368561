package mtls

// FieldDER is the part of the reading of a proxy's field that is ours, without crypto/x509.
func FieldDER(format Format, cert, chain string) ([][]byte, error) {
	return fieldDER(format, fieldText{cert, chain})
}
