package rekeytest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/usage"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// Sources of requests. Home is where integrations of a test run; the others are strangers'.
const (
	Home      = "198.51.100.1"
	Away      = "203.0.113.66"
	Elsewhere = "203.0.113.77"
)

// Account makes a service account with the automation role.
func (w *World) Account(name string, at place.Place) serviceaccount.Account {
	w.T.Helper()
	return w.AccountWith(name, at, role.Automation)
}

// AccountWith makes a service account with a role.
func (w *World) AccountWith(name string, at place.Place, r id.Role) serviceaccount.Account {
	w.T.Helper()
	in := serviceaccount.New{Name: name, RoleID: r, Node: at.Node()}
	if at.Company != "" {
		in.Node, in.Company = "", at.Company
	}
	v, err := w.Accounts.Create(w.Ctx, w.As(w.Owner), in)
	require.NoError(w.T, err)
	return v.Account
}

// Issue issues a key that carries all of its account's role, for ever.
func (w *World) Issue(a id.ServiceAccount, name string) apikey.Shown {
	w.T.Helper()
	return w.IssueWith(a, apikey.Issue{Name: name})
}

// IssueFor issues a key that ends.
func (w *World) IssueFor(a id.ServiceAccount, name string, life time.Duration) apikey.Shown {
	w.T.Helper()
	return w.IssueWith(a, apikey.Issue{Name: name, ExpiresAt: apikey.Expiry{Given: true, At: w.Now().Add(life)}})
}

// IssueWith issues a key.
func (w *World) IssueWith(a id.ServiceAccount, in apikey.Issue) apikey.Shown {
	w.T.Helper()
	out, err := w.Keys.Issue(w.Ctx, w.As(w.Owner), a, in)
	require.NoError(w.T, err)
	w.Note(out.Secret)
	return out
}

// Regenerate replaces a key's secret.
func (w *World) Regenerate(k id.Key) apikey.Shown {
	w.T.Helper()
	out, err := w.Keys.Regenerate(w.Ctx, w.As(w.Owner), k, apikey.Expiry{}, false)
	require.NoError(w.T, err)
	w.Note(out.Secret)
	return out
}

// RotateAll replaces all of an account's keys by one.
func (w *World) RotateAll(a id.ServiceAccount) apikey.Shown {
	w.T.Helper()
	out, err := w.Keys.Rotate(w.Ctx, w.As(w.Owner), a, apikey.Rotate{All: true})
	require.NoError(w.T, err)
	w.Note(out.Secret)
	return out
}

// Key is a key as it is stored.
func (w *World) Key(k id.Key) apikey.Key {
	w.T.Helper()
	out, err := w.Mem.Key(w.Ctx, k)
	require.NoError(w.T, err)
	return out
}

// ReadAccount is an account as it is stored.
func (w *World) ReadAccount(a id.ServiceAccount) serviceaccount.Account {
	w.T.Helper()
	out, err := w.Mem.Account(w.Ctx, a)
	require.NoError(w.T, err)
	return out
}

// Wrong makes a well-formed secret with the public half of another, and with another body.
func (w *World) Wrong(s token.Secret) token.Secret {
	w.T.Helper()
	tok, ok := token.Parse(s.Reveal())
	require.True(w.T, ok, "a wrong secret is made of a well-formed one")
	return token.Mint(tok.Kind, tok.Public, w.Rand)
}

// Origin is a request's origin.
func (w *World) Origin(ip string) verify.Origin {
	return verify.Origin{Address: lock.Address(ip), IP: ip, UserAgent: "agent/1", RequestID: "req-of-" + ip}
}

// Verify judges a secret as the authorizer of a warm environment does, without recording its use.
func (w *World) Verify(s token.Secret, ip string) verify.Verdict {
	w.T.Helper()
	v, err := w.Verifier.Verify(w.Ctx, verify.Presented{Secret: s}, w.Origin(ip))
	require.NoError(w.T, err)
	return v
}

// Request judges a secret and, when it is allowed, records its use: what the authorizer does with a request.
func (w *World) Request(s token.Secret, ip string) verify.Verdict {
	w.T.Helper()
	v := w.Verify(s, ip)
	if v.Class == verify.Allow {
		w.Verifier.Used(w.Ctx, v, s, w.Origin(ip))
	}
	return v
}

// RequestTo is Request for a route of rekey's own API, which is noted as a use of the key. With the class Forbidden it is one
// that the authorizer answers with 403.
func (w *World) RequestTo(s token.Secret, ip, method, route string, class verify.Class) verify.Verdict {
	w.T.Helper()
	o := w.Origin(ip)
	o.API, o.Method, o.Route = usage.Own, method, route
	v, err := w.Verifier.Verify(w.Ctx, verify.Presented{Secret: s}, o)
	require.NoError(w.T, err)
	if v.Class == verify.Allow {
		v.Class = class
		w.Verifier.Used(w.Ctx, v, s, o)
	}
	require.Equal(w.T, class, v.Class, "refused as %s", v.Status)
	return v
}

// Allowed and Refused require what a request with a secret comes to.
func (w *World) Allowed(s token.Secret, ip string) {
	w.T.Helper()
	v := w.Request(s, ip)
	require.Equal(w.T, verify.Allow, v.Class, "refused as %s", v.Status)
}

func (w *World) Refused(s token.Secret, ip string, class verify.Class, status verify.Status) {
	w.T.Helper()
	v := w.Request(s, ip)
	require.Equal(w.T, class, v.Class)
	require.Equal(w.T, status, v.Status)
}

// Guess sends n wrong secrets for the ID of a secret.
func (w *World) Guess(s token.Secret, ip string, n int) {
	w.T.Helper()
	for range n {
		w.Request(w.Wrong(s), ip)
	}
}

// Of is a set of scopes for an Issue or a Patch.
func Of(scopes ...permission.Permission) *[]string {
	out := []string{}
	for _, s := range scopes {
		out = append(out, string(s))
	}
	return &out
}

// JustUsed requires that a last use is of this minute.
func (w *World) JustUsed(last time.Time) {
	w.T.Helper()
	require.False(w.T, last.Before(w.Now().Truncate(time.Minute)), "last used at %v", last)
	require.False(w.T, last.After(w.Now()), "last used at %v", last)
}
