package delivery

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/token"
)

// MaxText is the longest text that a secret can have, in bytes.
const MaxText = 65536

// keyIDMember is the member of a consumer's JSON object that names the key, where the consumer keeps one.
const keyIDMember = "key_id"

// Compose returns the text of the version that has a key's new secret: the secret itself or, with a JSONKey, the current
// text's object with that member set to it. The other members keep their values. One of them follows: a key_id that names
// the key whose secret is replaced, or is empty, becomes the new key's ID, because a client that signs in with ID and secret
// would be refused with two that do not belong together. No member is added but JSONKey's.
//
// An error is a *Refusal and quotes nothing of the text.
func Compose(t Target, current, secret token.Secret, k id.Key) (token.Secret, error) {
	text := current.Reveal()
	if t.JSONKey == "" {
		if members, err := object(text); err == nil && len(members) > 0 {
			return token.Secret{}, refuse(Shape, "The secret is a JSON object, all of which would be replaced. "+
				"Give json_key, the member that gets the key's secret.")
		}
		return secret, nil
	}
	members := map[string]json.RawMessage{}
	if text != "" {
		var err error
		if members, err = object(text); err != nil {
			return token.Secret{}, refuse(Shape, "The secret is not a JSON object, so it has no member for json_key. "+
				"Make it one, or leave json_key out.")
		}
	}
	was, now := plain(members[keyIDMember]), string(k)
	if _, kept := members[keyIDMember]; kept && t.JSONKey != keyIDMember && (was == "" || was == string(holder(t, text)) || was == now) {
		members[keyIDMember] = quoted(now)
	}
	members[t.JSONKey] = quoted(secret.Reveal())
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(members); err != nil {
		return token.Secret{}, refuse(Shape, "The secret is not a JSON object that can be written again.")
	}
	out := string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	if len(out) > MaxText {
		return token.Secret{}, refuse(Shape, "With the key's secret the text would be longer than Secrets Manager's 65,536 bytes.")
	}
	return token.SecretOf(out), nil
}

// Extract returns the key's secret that stands in a version at the target's place; false when there is no well-formed one.
func Extract(t Target, version token.Secret) (token.Secret, id.Key, bool) {
	text := version.Reveal()
	if t.JSONKey != "" {
		members, err := object(text)
		if err != nil {
			return token.Secret{}, "", false
		}
		text = plain(members[t.JSONKey])
	}
	tok, ok := token.Parse(text)
	if !ok {
		return token.Secret{}, "", false
	}
	k, ok := id.Parse[id.Key](tok.ID())
	return tok.Secret, k, ok
}

func holder(t Target, text string) id.Key {
	_, k, _ := Extract(t, token.SecretOf(text))
	return k
}

var errNoObject = errors.New("no JSON object")

// object reads the members of exactly one JSON object; its error quotes nothing.
func object(text string) (map[string]json.RawMessage, error) {
	var members map[string]json.RawMessage
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	if d.Decode(&members) != nil || members == nil {
		return nil, errNoObject
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errNoObject
	}
	return members, nil
}

// plain is the text of a JSON string, "" of anything else.
func plain(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

func quoted(s string) json.RawMessage {
	text, err := json.Marshal(s)
	if err != nil {
		panic("delivery: a text cannot be written as JSON") // no text can fail
	}
	return text
}
