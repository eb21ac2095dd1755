// Package delivery puts a new secret straight into the secret store of its consumer, without a person seeing it.
//
// A delivery is a sequence of steps: put the new version beside the one in use (label AWSPENDING), let the key accept it in
// rekey, move the label AWSCURRENT, which consumers follow, and read it back. What comes next is decided by one pure function
// from what is known of the secret, so that a delivery that stopped anywhere is carried on by carrying it out again: the new
// version has one ID for ever, and a version never changes. A delivery that finds somebody else's change stops, and whoever
// called it retires nothing of the old key before Deliver has returned without an error.
//
// The labels and their rules are those of AWS Secrets Manager (docs.aws.amazon.com/secretsmanager, "What's in a secret?");
// the package knows neither its client nor HTTP.
package delivery

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/place"
)

// Type says where a new secret goes.
type Type string

const (
	SecretsManager Type = "secrets_manager" // into a secret of AWS Secrets Manager
	Event          Type = "event"           // nowhere: an event asks its consumer to fetch it; only in policies
)

// PlaceTag is the tag of a consumer's secret that says whose keys may be put into it: the ID of a node or a company. Who can
// tag secrets of the account decides, not who can call the API.
const PlaceTag = "rekey:place"

// MaxKey is the longest name of a member, in characters.
const MaxKey = 100

// Target is where new secrets of a key go.
type Target struct {
	Type     Type
	SecretID string // name (1 to 512 characters) or ARN; an ARN's region is the one that is called
	JSONKey  string // member of the secret's JSON object; "" when the secret is the key's secret and nothing else
	RoleARN  string // role to assume for it, in the consumer's account; "" for the deployment's own account
}

// A form is compiled when it is first asked for, and is plain data before: the package's types are linked into binaries that never
// ask.
type form struct {
	pattern string
	once    sync.Once
	re      *regexp.Regexp
}

func (f *form) compiled() *regexp.Regexp {
	f.once.Do(func() { f.re = regexp.MustCompile(f.pattern) })
	return f.re
}

var (
	secretName = form{pattern: `^[A-Za-z0-9/_+=.@-]{1,512}$`}
	secretARN  = form{pattern: `^arn:aws[a-z-]*:secretsmanager:([a-z]{2,8}(?:-[a-z]+)+-[0-9]{1,2}):[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]{1,519}$`}
	roleARN    = form{pattern: `^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9/_+=,.@-]{1,576}$`}
)

// Progress is where a new secret goes, and how far it has come.
type Progress struct {
	Target  Target
	Version string    // ID of the version with the new secret
	From    string    // of the one that it replaces; "" when there was none
	DoneAt  time.Time // when consumers were seen to get it; zero before
	Problem string    // why it stopped, in words; "" when it goes on
}

// Check returns what is wrong with the form of a target that a caller gave as the member at, "/deliver_to". policy allows
// what stands in policies only.
func (t Target) Check(at string, policy bool) []fault.Field {
	var bad []fault.Field
	say := func(member, detail string) {
		bad = append(bad, fault.Field{Pointer: at + "/" + member, Detail: detail})
	}
	switch {
	case t.Type == Event && policy:
		for member, value := range map[string]string{"secret_id": t.SecretID, "json_key": t.JSONKey, "role_arn": t.RoleARN} {
			if value != "" {
				say(member, "does not go with the type event, which puts no secret anywhere")
			}
		}
		return bad
	case t.Type == Event:
		say("type", "event stands in policies only: it announces, and makes no secret")
		return bad
	case t.Type != SecretsManager:
		say("type", "is not secrets_manager")
		return bad
	}
	switch {
	case t.SecretID == "":
		say("secret_id", "is missing")
	case !secretName.compiled().MatchString(t.SecretID) && !secretARN.compiled().MatchString(t.SecretID):
		say("secret_id", "is neither a secret's name (1 to 512 of A-Z a-z 0-9 / _ + = . @ -) nor its ARN")
	}
	if t.JSONKey != "" && !memberName(t.JSONKey) {
		say("json_key", "is not 1 to 100 printable characters")
	}
	if t.RoleARN != "" && !roleARN.compiled().MatchString(t.RoleARN) {
		say("role_arn", "is not the ARN of an IAM role")
	}
	return bad
}

func memberName(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= MaxKey
}

// Region is the region of a secret that is given by its ARN; "" for a name.
func (t Target) Region() string {
	if m := secretARN.compiled().FindStringSubmatch(t.SecretID); m != nil {
		return m[1]
	}
	return ""
}

// VersionID is the ID of the version that a delivery puts: the same for the same generation of a rotation's key, and no
// other's. It has the form of a UUID of version 8 (RFC 9562), 36 characters.
func VersionID(r id.Rotation, generation int64) string {
	sum := sha256.Sum256([]byte("rekey delivery\x00" + string(r) + "\x00" + strconv.FormatInt(generation, 10)))
	b := sum[:16]
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b)
	return fmt.Sprintf("%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
}

// Plan is one delivery. It has no secret in it and can be stored; carrying it out again goes on where it stopped.
type Plan struct {
	Target  Target
	Place   place.Place // of the key; the secret must be tagged with it
	Key     id.Key      // whose secret is delivered
	Version string      // VersionID

	// Replaces are the keys whose secret may stand in the target now: the old key of a rotation. Another live key's secret there
	// stops the delivery, so that two keys never take turns in one secret by accident.
	Replaces []id.Key

	// From is the version that was AWSCURRENT when the delivery began. It is "" until Activate is told of it, and for a
	// secret that had no value yet. Once stored it lets a later run tell that somebody else changed the secret.
	From string
}

// mine tells whether a secret with this tag may be delivered to.
func (p Plan) mine(tag string) bool { return tag != "" && tag == p.Place.ID() }
