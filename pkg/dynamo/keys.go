package dynamo

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/mailbox"
	"github.com/rekey-dev/rekey/pkg/usage"
)

// key is a primary key.
type key struct{ pk, sk string }

// Prefixes of sort keys that are queried.
const (
	prefixKeyRow = "key#"
	prefixEpoch  = "epoch#"
	prefixSource = "source#"
	prefixSeen   = "seen#"
	prefixLine   = "line#"

	prefixSession = "session#"
)

// Prefixes of partition keys that are read back.
const (
	prefixPolicy = "policy#"
	prefixTask   = "task#"
)

func keyKey(k id.Key) key                  { return key{string(k), "key"} }
func tokenKey(t id.PAT) key                { return key{string(t), "token"} }
func sessionKey(s id.Session) key          { return key{string(s), "session"} }
func accountKey(a id.ServiceAccount) key   { return key{string(a), "account"} }
func aboutKey(a id.ServiceAccount) key     { return key{string(a), "about"} }
func employeeKey(e id.Employee) key        { return key{string(e), "employee"} }
func companyKey(c id.Company) key          { return key{string(c), "company"} }
func roleKey(r id.Role) key                { return key{string(r), "role"} }
func roleAboutKey(r id.Role) key           { return key{string(r), "about"} }
func codeKey(c id.Invitation) key          { return key{"code#" + string(c), "code"} }
func emailKey(folded string) key           { return key{"email#" + folded, "email"} }
func retiredKey(cred string, m []byte) key { return key{cred, "retired#" + hex.EncodeToString(m)} }
func sightingKey(cred, address string) key { return key{cred, prefixSeen + address} }
func sourceKey(owner, address string) key  { return key{owner, prefixSource + address} }

// lettersKey names an address by a digest: who reads the table learns nobody's who was invited once.
func lettersKey(folded string) key {
	sum := sha256.Sum256([]byte(folded))
	return key{"letters#" + hex.EncodeToString(sum[:]), "letters"}
}

func protectedAPIKey(a id.ProtectedAPI) key { return key{string(a), "protected_api"} }
func slugKey(slug string) key               { return key{"slug#" + slug, "slug"} }
func guardKey(stage string) key             { return key{"guard#" + stage, "guard"} }

// wakePK is the one partition of the rows that say who is to be looked at, sorted by when.
const wakePK = "mail"

func mailPK(r mailbox.Recipient) string           { return "mail#" + string(r) }
func boxKey(r mailbox.Recipient) key              { return key{mailPK(r), "box"} }
func lineKey(r mailbox.Recipient, e id.Event) key { return key{mailPK(r), prefixLine + string(e)} }
func toldKey(e id.Event) key                      { return key{"told#" + string(e), "told"} }
func wakeKey(at time.Time, r mailbox.Recipient) key {
	return key{wakePK, timeText(at) + "#" + string(r)}
}

func usagePK(k id.Key) string { return "usage#" + string(k) }

// usageKey sorts a key's rows by their hour. Of the parts only the route, which is the last, may have a "#".
func usageKey(r usage.Row) key {
	return key{usagePK(r.Key), strings.Join([]string{timeText(r.Hour), string(r.Verdict), r.Source, r.API, r.Method, r.Route}, "#")}
}

func keyRowKey(a id.ServiceAccount, created time.Time, k id.Key) key {
	return key{string(a), prefixKeyRow + keyRowPosition(created, k)}
}

// keyRowPosition sorts an account's keys by their birth.
func keyRowPosition(created time.Time, k id.Key) string { return timeText(created) + "#" + string(k) }

func sessionRowKey(e id.Employee, created time.Time, s id.Session) key {
	return key{string(e), prefixSession + sessionPosition(created, s)}
}

// sessionPosition sorts an employee's sessions by their beginning.
func sessionPosition(created time.Time, s id.Session) string {
	return timeText(created) + "#" + string(s)
}

func epochKey(a id.ServiceAccount, epoch int64) key {
	return key{string(a), prefixEpoch + digits(epoch, 10)}
}

func mspKey() key                         { return key{"msp", "msp"} }
func nodeKey(n id.Node) key               { return key{string(n), "node"} }
func useKey(holder string) key            { return key{holder, "use"} }
func rotationKey(r id.Rotation) key       { return key{string(r), "rotation"} }
func calendarKey(c id.Calendar) key       { return key{string(c), "calendar"} }
func calendarEventsKey(c id.Calendar) key { return key{string(c), "events"} }
func rotationRowPK(at string) string      { return "list#rotations#" + at }
func eventKey(e id.Event) key             { return key{string(e), "event"} }
func idemKey(scope string) key            { return key{"idem#" + scope, "idem"} }
func warmKey() key                        { return key{"warm", "warm"} }
func leaseKey(shard int) key              { return key{"lease#" + shardName(shard), "lease"} }
func eventRowPK(p string) string          { return "at#" + p }
func policyAtKey(p id.Policy) key         { return key{string(p), "policy_at"} }
func taskKey(p id.Policy) key             { return key{prefixTask + string(p), "task"} }

// policyKey keeps a policy under what it is attached to, so that there is one at most.
func policyKey(attached string) key { return key{prefixPolicy + attached, "policy"} }

func attachedTo(pk string) string { return strings.TrimPrefix(pk, prefixPolicy) }

func nameKey(noun listing.Noun, place, folded string) key {
	return key{"name#" + string(noun) + "#" + place, folded}
}

func rowPK(noun listing.Noun, place string) string { return "list#" + string(noun) + "#" + place }

// rowKey sorts a place's objects by folded name, then ID. No name holds U+0000, so a name sorts before its extensions.
func rowKey(noun listing.Noun, place, folded, object string) key {
	return key{rowPK(noun, place), folded + "\x00" + object}
}

func rotationRowKey(at string, created time.Time, r id.Rotation) key {
	return key{rotationRowPK(at), timeText(created) + "#" + string(r)}
}

func expiryRowKey(place string, expires time.Time, k id.Key) key {
	return key{rowPK(listing.KeysByExpiry, place), timeText(expires) + "#" + string(k)}
}

func eventRowKey(place string, at time.Time, e id.Event) key {
	return key{eventRowPK(place), timeText(at) + "#" + string(e)}
}

// afterHash returns what stands behind the last "#" of a sort key.
func afterHash(sk string) string { return sk[strings.LastIndexByte(sk, '#')+1:] }

// timeText is a time in milliseconds with as many digits as sort right until the year 2286.
func timeText(t time.Time) string { return digits(max(t.UnixMilli(), 0), 13) }

// digits writes a number that is not negative with leading zeros.
func digits(n int64, width int) string {
	s := strconv.FormatInt(n, 10)
	if len(s) >= width {
		return s
	}
	return strings.Repeat("0", width-len(s)) + s
}
