package authorizer

import "github.com/rekey-dev/rekey/pkg/permission"

// Route is what the authorizer knows of one operation of rekey's own API.
type Route struct {
	// Permission that the caller must hold somewhere; "" when it need only be signed in. Whether it reaches the object is
	// decided where the object is loaded.
	Permission permission.Permission
	// Denied says how a refusal is recorded; nil when it is not.
	Denied *Denied
}

// Denied is the audit record of a refused operation: the same action, with outcome denied.
type Denied struct {
	Action     string // user.updated, service_account.revoked, …
	Change     string // details.change of a user.updated; "" otherwise
	TargetType string // service_account or key; node (the caller's own place) where the object does not exist yet
}

// Needs tells the permission that a route of rekey's own API needs, "" for none; false when there is no such route.
func Needs(method, route string) (permission.Permission, bool) {
	r, ok := Routes[method+" "+route]
	return r.Permission, ok
}
