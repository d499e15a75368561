package look

// lengths of IBANs by country (register of ISO 13616-1).
var lengths = map[string]int{
	"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27,
	"BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28,
	"EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23,
	"GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26,
	"IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21,
	"LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28,
	"NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22,
	"RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25,
	"SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}

const maxIBAN = 34

// at says what begins with group i and ends before group closed.
func at(groups []group, i, closed int) (kinds int) {
	var room [maxIBAN]byte
	text := room[:0]
	want := country(groups[i].text)
	digits := true
	for j := i; j < closed; j++ {
		g := groups[j]
		if j > i && !g.joined || len(text)+len(g.text) > maxIBAN {
			break
		}
		text = append(text, g.text...)
		digits = digits && g.digits
		if want > 0 && len(text) == want && remainder(text) == 1 {
			kinds |= IBAN
		}
		if !digits {
			continue
		}
		if card(text) && luhn(text) {
			kinds |= PAN
		}
		if len(text) == 12 && alone(groups, i, j) && myNumber(text) {
			kinds |= MyNumber
		}
	}
	return kinds
}

// alone says whether groups i to j are not part of a longer run of digits.
func alone(groups []group, i, j int) bool {
	before := i > 0 && groups[i].joined && groups[i-1].digits
	behind := j+1 < len(groups) && groups[j+1].joined && groups[j+1].digits
	return !before && !behind
}

// country gives the length that an IBAN with this beginning has; 0: it is none.
func country(text []byte) int {
	if len(text) < 4 || text[0] <= '9' || text[1] <= '9' || text[2] > '9' || text[3] > '9' {
		return 0
	}
	return lengths[string([]byte{text[0] &^ 0x20, text[1] &^ 0x20})]
}

// remainder is that of ISO/IEC 7064 MOD 97-10, of an IBAN with its first four characters moved to the end.
func remainder(text []byte) (r int) {
	for i := range text {
		switch c := text[(i+4)%len(text)]; {
		case c <= '9':
			r = (r*10 + int(c-'0')) % 97
		default:
			r = (r*100 + int(c&^0x20-'A') + 10) % 97
		}
	}
	return r
}

// luhn is the check of ISO/IEC 7812-1 annex B.
func luhn(text []byte) bool {
	sum := 0
	for i := range text {
		d := int(text[len(text)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// card says whether digits have a card scheme's prefix and length.
func card(text []byte) bool {
	n := len(text)
	if n < 13 || n > 19 {
		return false
	}
	p := 0
	for _, c := range text[:6] {
		p = p*10 + int(c-'0')
	}
	in := func(from, to, digits int) bool {
		head := p
		for range 6 - digits {
			head /= 10
		}
		return head >= from && head <= to
	}
	switch {
	case in(4, 4, 1):
		return n == 13 || n == 16 || n == 19
	case in(51, 55, 2), in(2221, 2720, 4):
		return n == 16
	case in(34, 34, 2), in(37, 37, 2):
		return n == 15
	case in(3528, 3589, 4), in(6011, 6011, 4), in(622126, 622925, 6), in(62, 62, 2), in(644, 659, 3):
		return n >= 16
	case in(300, 305, 3), in(3095, 3095, 4), in(36, 36, 2), in(38, 39, 2):
		return n >= 14
	}
	return in(50, 50, 2) || in(56, 58, 2) || in(63, 63, 2) || in(67, 67, 2) // Maestro
}

// myNumber is the check of article 5 of the ministerial ordinance on Individual Numbers (Ordinance of the
// Ministry of Internal Affairs and Communications No. 85 of 2014).
func myNumber(text []byte) bool {
	sum := 0
	for n := 1; n <= 11; n++ {
		weight := n + 1
		if n >= 7 {
			weight = n - 5
		}
		sum += int(text[11-n]-'0') * weight
	}
	check := 11 - sum%11
	if check >= 10 {
		check = 0
	}
	return int(text[11]-'0') == check
}
