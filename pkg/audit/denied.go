package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"

	"github.com/rekey-dev/rekey/pkg/id"
)

// DeniedID is the ID of the record of a refusal: the same for a credential, a route and a minute (Unix time / 60), so that
// the audit table's own condition keeps it to one. Its characters are drawn from SHA-256 of the three.
func DeniedID(credential, route string, minute int64) id.Event {
	seed := sha256.Sum256([]byte("rekey/denied/1\x00" + credential + "\x00" + route + "\x00" + strconv.FormatInt(minute, 10)))
	return id.New[id.Event](&digestStream{seed: seed})
}

// digestStream reads SHA-256(seed ‖ counter) for as long as bytes are wanted.
type digestStream struct {
	seed    [sha256.Size]byte
	counter uint64
	rest    []byte
}

func (d *digestStream) Read(p []byte) (int, error) {
	for i := range p {
		if len(d.rest) == 0 {
			block := sha256.Sum256(binary.BigEndian.AppendUint64(d.seed[:], d.counter))
			d.counter++
			d.rest = block[:]
		}
		p[i], d.rest = d.rest[0], d.rest[1:]
	}
	return len(p), nil
}
