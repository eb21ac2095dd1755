package httpapi

import "github.com/rekey-dev/rekey/pkg/permission"

// Route is an operation as the authorizer needs to know it.
type Route struct {
	Method     string
	Path       string // with {id} for the object, as in API Gateway's resource
	Public     bool
	Permission permission.Permission // "" for whoever is signed in
	Denied     *DeniedAudit
}

// DeniedAudit says how the refusal of an operation is recorded when its caller lacks the permission altogether.
type DeniedAudit struct {
	Action     string // of the record
	Change     string // details.change; "" for none
	TargetType string
	// TargetParam names the path parameter that is the target's ID; "" where no object is in the path and the caller's own
	// place is the target.
	TargetParam string
}
