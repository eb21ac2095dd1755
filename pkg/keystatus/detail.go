package keystatus

import (
	"cmp"

	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// ofKeys says what a status means for a key, and for what is no secret at all.
var ofKeys = map[verify.Status]string{
	verify.StatusActive:           "The key is accepted. If a request was refused with 403, it lacks a scope or a permission, which the 403 names.",
	verify.StatusExpiring:         "The key is accepted and nears its end. Ask its owner for a new one and deploy it before then.",
	verify.StatusInactive:         "The key is switched off. Its owner can activate it again.",
	verify.StatusExpired:          "The key has reached its end. Ask its owner for a new one.",
	verify.StatusRevoked:          "The key was revoked. Ask its owner for a new one.",
	verify.StatusRetired:          "This was the key's secret once; it has been replaced. Restart the client or reload its secret store.",
	verify.StatusAccountRevoked:   "The service account was revoked with all its keys.",
	verify.StatusCompanySuspended: "The company is suspended; its keys work again when it is resumed.",
	verify.StatusLocked:           "Too many wrong secrets were sent for the account, and this source is refused until the lock ends, an admin unlocks it, or its secret is regenerated.",
	verify.StatusMalformed:        "This is no secret of rekey: it is mistyped, cut off or has something added to it.",
	verify.StatusUnknown:          "This was never the secret of a key here. It may be mistyped or of another deployment.",
}

// ofTokens is what differs for a personal access token: it is its employee's own, and there is no account and no regenerating.
var ofTokens = map[verify.Status]string{
	verify.StatusActive:         "The token is accepted. If a request was refused with 403, it lacks a scope or a permission, which the 403 names.",
	verify.StatusExpiring:       "The token is accepted and nears its end. Make a new one before then.",
	verify.StatusExpired:        "The token has reached its end. Sign in with a passkey and make a new one.",
	verify.StatusRevoked:        "The token was revoked. Sign in with a passkey and make a new one.",
	verify.StatusAccountRevoked: "The employee is gone, with all their tokens and sessions.",
	verify.StatusLocked:         "Too many wrong secrets were sent for the token, and this source is refused until the lock ends.",
	verify.StatusUnknown:        "This was never the secret of a token here. It may be mistyped or of another deployment.",
}

// ofSessions is what differs for a session, which is either signed in or inside a company.
var ofSessions = map[verify.Status]string{
	verify.StatusActive:         "The session is accepted. If a request was refused with 403, it lacks a scope or a permission, which the 403 names.",
	verify.StatusExpiring:       "The session is accepted and nears its end. Sign in again before then.",
	verify.StatusExpired:        "The session has reached its end. Sign in again, or assume the company again if it was inside one.",
	verify.StatusRevoked:        "The session was revoked, or what opened it has ended. Sign in again, or assume the company again if it was inside one.",
	verify.StatusAccountRevoked: "The employee is gone, with all their tokens and sessions.",
	verify.StatusLocked:         "Too many wrong secrets were sent for the session, and this source is refused until the lock ends.",
	verify.StatusUnknown:        "This was never the secret of a session here. It may be mistyped or of another deployment.",
}

const notJudged = "One-time codes are not judged here. A code is good for enrolling a passkey with POST /v1/credentials/challenges."

// detail is what a status means to whoever holds a secret. It depends on the secret's kind, which anybody can read off it, and on
// nothing else: above all a code is told no more than that it is one.
func detail(is verify.Status, secret token.Secret) string {
	var own string
	switch kindOf(secret) {
	case token.PersonalAccessToken:
		own = ofTokens[is]
	case token.Session:
		own = ofSessions[is]
	case token.OneTimeCode:
		own = notJudged
	}
	return cmp.Or(own, ofKeys[is])
}

// kindOf is the kind of a well-formed secret, and none of any other text.
func kindOf(secret token.Secret) token.Kind {
	t, _ := token.Parse(secret.Reveal())
	return t.Kind
}
