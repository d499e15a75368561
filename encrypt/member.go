package encrypt

import (
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/tegata-go/tegata/internal/strictjson"
)

const maxMember = 128 // bytes

// prepareMember judges Config.Member and writes what stands before a sealed value.
func (f *Fields) prepareMember() error {
	name := f.config.Member
	switch {
	case name == "":
		return nil
	case len(name) > maxMember || !utf8.ValidString(name):
		return errors.New("encrypt: Member is not UTF-8 of at most 128 bytes")
	}
	text, err := json.Marshal(map[string]string{name: ""})
	if err != nil {
		return err
	}
	f.before = text[:len(text)-len(`""}`)]
	return nil
}

// unwrapMember gives the string inside the object that Config.Member asks for, or text itself.
func (f *Fields) unwrapMember(text []byte) (inner []byte, ok bool) {
	if len(f.before) == 0 {
		return text, true
	}
	n := 0
	err := strictjson.Members(string(text), func(name, value string) error {
		if n++; name != f.config.Member {
			return causeParts
		}
		inner = []byte(value)
		return nil
	})
	return inner, err == nil && n == 1
}
