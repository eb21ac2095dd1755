package main

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	packages "github.com/rekey-dev/rekey/pkg/billing"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/httpapi/auditevents"
	"github.com/rekey-dev/rekey/pkg/httpapi/billing"
	"github.com/rekey-dev/rekey/pkg/httpapi/calendars"
	"github.com/rekey-dev/rekey/pkg/httpapi/companies"
	"github.com/rekey-dev/rekey/pkg/httpapi/credentials"
	"github.com/rekey-dev/rekey/pkg/httpapi/employees"
	"github.com/rekey-dev/rekey/pkg/httpapi/keys"
	"github.com/rekey-dev/rekey/pkg/httpapi/keystatus"
	"github.com/rekey-dev/rekey/pkg/httpapi/me"
	"github.com/rekey-dev/rekey/pkg/httpapi/meta"
	"github.com/rekey-dev/rekey/pkg/httpapi/nodes"
	"github.com/rekey-dev/rekey/pkg/httpapi/personalaccesstokens"
	"github.com/rekey-dev/rekey/pkg/httpapi/protectedapis"
	"github.com/rekey-dev/rekey/pkg/httpapi/roles"
	"github.com/rekey-dev/rekey/pkg/httpapi/rotationpolicies"
	"github.com/rekey-dev/rekey/pkg/httpapi/rotations"
	"github.com/rekey-dev/rekey/pkg/httpapi/serviceaccounts"
	"github.com/rekey-dev/rekey/pkg/httpapi/sessions"
	"github.com/rekey-dev/rekey/pkg/httpapi/setup"
	"github.com/rekey-dev/rekey/pkg/httpapi/verify"
	"github.com/rekey-dev/rekey/pkg/rotation"
)

// resources are the operations of each function, by its logical ID in template.yaml. They are registered and never called,
// so nothing stands behind them.
var resources = []struct {
	function string
	register func(*httpapi.API)
}{
	{"SetupFunction", func(a *httpapi.API) { setup.Register(a, nil) }},
	{"HealthFunction", func(a *httpapi.API) { meta.Register(a, nil) }},
	{"MeFunction", func(a *httpapi.API) { me.Register(a, nil) }},
	{"KeyStatusFunction", func(a *httpapi.API) { keystatus.Register(a, nil) }},
	{"VerifyFunction", func(a *httpapi.API) { verify.Register(a, nil) }},
	{"ServiceAccountsFunction", func(a *httpapi.API) { serviceaccounts.Register(a, nil, nil, nil, time.Now) }},
	{"RotationsFunction", func(a *httpapi.API) { rotations.Register(a, &rotation.Service{}, time.Now) }},
	{"KeysFunction", func(a *httpapi.API) { keys.Register(a, &apikey.Service{}, nil, time.Now) }},
	{"RotationPoliciesFunction", func(a *httpapi.API) { rotationpolicies.Register(a, nil, time.Now) }},
	{"NodesFunction", func(a *httpapi.API) { nodes.Register(a, nil) }},
	{"ProtectedAPIsFunction", func(a *httpapi.API) { protectedapis.Register(a, nil) }},
	{"CompaniesFunction", func(a *httpapi.API) { companies.Register(a, nil) }},
	{"EmployeesFunction", func(a *httpapi.API) { employees.Register(a, nil) }},
	{"BillingFunction", func(a *httpapi.API) { billing.Register(a, nil, packages.Catalogue{}) }},
	{"CalendarsFunction", func(a *httpapi.API) { calendars.Register(a, nil) }},
	{"RolesFunction", func(a *httpapi.API) { roles.Register(a, nil) }},
	{"PersonalAccessTokensFunction", func(a *httpapi.API) { personalaccesstokens.Register(a, nil) }},
	{"SessionsFunction", func(a *httpapi.API) { sessions.Register(a, nil, nil) }},
	{"CredentialsFunction", func(a *httpapi.API) { credentials.Register(a, nil, nil) }},
	{"AuditEventsFunction", func(a *httpapi.API) { auditevents.Register(a, nil) }},
}

// everything is one API with all operations.
func everything() *httpapi.API {
	a := httpapi.New(httpapi.Settings{})
	for _, r := range resources {
		r.register(a)
	}
	return a
}
