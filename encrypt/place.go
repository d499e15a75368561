package encrypt

import (
	"net/http"

	"github.com/tegata-go/tegata/audit"
)

// storedType stands in the target of stored values for the media type, which no JSON message has.
const storedType = "application/octet-stream"

// Place is where a stored value belongs. A value that is opened for another place is refused.
type Place struct {
	// Name says what kind of value it is, for example "accounts.iban". Required.
	Name string
	// Client is whose value it is; empty: not bound. CustomerKeys need it: it chooses the key.
	Client string
	// Record is the row or document that it stands in, for example its primary key; empty: not bound,
	// and then the values of two rows can be exchanged by whoever can write to the database.
	Record string
}

func (at Place) check() error {
	if at.Name == "" {
		return &audit.Refusal{Reason: ErrBinding, Cause: why("no name"), Status: http.StatusInternalServerError,
			Detail: "internal error", Final: true}
	}
	return nil
}

func (at Place) binding() Binding {
	return Binding{MediaType: storedType, Client: at.Client, Record: at.Record}
}
