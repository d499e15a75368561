package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/tegata-go/tegata/encrypt"
	"github.com/tegata-go/tegata/examples/bank/service"
	"github.com/tegata-go/tegata/internal/strictjson"
)

// sealing is what -seal and -clients say.
type sealing struct{ keyring, clients string }

// readSeal judges -seal and -clients.
func (o *options) readSeal(seal, clients string, given map[string]bool) error {
	file, keyring := strings.CutPrefix(seal, "keyring:")
	switch {
	case !given["seal"] && given["clients"]:
		return errors.New("-clients without -seal client")
	case !given["seal"]:
		return nil
	case keyring && file != "" && !given["clients"]:
		o.seal.keyring = file
		return nil
	case seal == "client" && clients != "":
		o.seal.clients = clients
		return nil
	}
	return errors.New("neither keyring:F nor client with -clients F")
}

// sealWith reads the keys.
func (o *options) sealWith(c *service.Config) (err error) {
	switch {
	case o.seal.keyring != "":
		c.Keyring, err = readKeyring(o.seal.keyring)
		// The clients of this service may know JOSE and nothing of Tegata: what they seal names no field.
		c.OpenUnbound = true
	case o.seal.clients != "":
		c.Recipients, err = readClients(o.seal.clients)
	}
	return err
}

func readKeyring(file string) (*encrypt.Keyring, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	keys, err := encrypt.ParseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("-seal: %w", err)
	}
	for i := range keys {
		if keys[i].Algorithm == "" {
			keys[i].Algorithm = encrypt.A256GCM // what the file holds, says its contract
		}
	}
	return encrypt.NewKeyring(encrypt.KeyringConfig{Keys: keys})
}

// readClients reads the clients' key sets. Every client in the file must have a key to seal to.
func readClients(file string) (map[string]*encrypt.Recipient, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	clients := make(map[string]*encrypt.Recipient)
	err = strictjson.Members(string(text), func(client, set string) error {
		r, err := encrypt.NewRecipient([]byte(set))
		if err != nil {
			return fmt.Errorf("%q: %w", client, err)
		}
		clients[client] = r
		return nil
	})
	if err == nil && len(clients) == 0 {
		err = errors.New("no client")
	}
	if err != nil {
		return nil, fmt.Errorf("-clients: %w", err)
	}
	return clients, nil
}
