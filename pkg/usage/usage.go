// Package usage holds proof of use: who used a key, from where, on which routes, how often, by hour.
//
// Package verify writes the rows, a store keeps them for KeptFor, and what is asked about a stretch of time is added up here.
// Who and where are exact: a row is there before the first request of its hour is answered. How often is a lower bound: what
// an environment has counted since it last wrote is lost when it ends. The package knows neither HTTP nor storage.
package usage

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
)

// Verdict is what a request came to.
type Verdict string

const (
	Accepted     Verdict = "accepted"
	MissingScope Verdict = "missing_scope" // 403 of any kind: the scope, the role's permission, or the API's registration is missing
	Retired      Verdict = "retired"       // a secret that the key once had
	Revoked      Verdict = "revoked"       // the key, or its account
	Expired      Verdict = "expired"
	Inactive     Verdict = "inactive"          // switched off
	Suspended    Verdict = "company_suspended" // the key's company
	Locked       Verdict = "locked"            // from a source that authenticated within 30 days; others leave no row
	WrongSecret  Verdict = "wrong_secret"      // for this key's ID; routes are not kept, and only the last count of each source
)

// Verdicts are all that there are.
var Verdicts = []Verdict{Accepted, MissingScope, Retired, Revoked, Expired, Inactive, Suspended, Locked, WrongSecret}

// Own is the API of rekey itself; others go by the ID that API Gateway gave them.
const Own = "rekey"

// Verified stands for what gateways that are not API Gateway asked about with POST /verify. Their routes are as they name them.
const Verified = "verify"

// Other stands for source and route in the one row of a verdict for all that is beyond RowsAnHour.
const Other = "other"

// RowsAnHour is the most rows that an environment begins for a key in an hour. Further sources and routes share one row of
// their verdict, with Other for both.
const RowsAnHour = 200

// KeptFor is how long a row is kept after its hour: the evidence of a year, and a month to ask for it.
const KeptFor = 400 * 24 * time.Hour

// Settled is how long a verdict takes at most: who sent a request that came earlier than that is written, or given up.
const Settled = 2 * time.Second

// Row counts the requests of one sender on one route with one verdict in one hour. Added up over several hours it has no Hour.
type Row struct {
	Key       id.Key
	Hour      time.Time // its beginning, UTC
	Source    string    // lock.Address of the sender
	UserAgent string    // of the last request
	API       string
	Method    string
	Route     string // the path's template
	Verdict   Verdict
	Count     int64 // at least so many
	FirstAt   time.Time
	LastAt    time.Time
}

// HourOf is the beginning of the hour that a moment is in.
func HourOf(t time.Time) time.Time { return t.UTC().Truncate(time.Hour) }
