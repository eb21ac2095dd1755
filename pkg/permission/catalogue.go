package permission

// The permissions, in the words of the API.
const (
	NodesRead, NodesCreate, NodesUpdate, NodesDelete Permission = "nodes:read", "nodes:create", "nodes:update", "nodes:delete"
	RolesRead, RolesCreate, RolesUpdate, RolesDelete Permission = "roles:read", "roles:create", "roles:update", "roles:delete"

	EmployeesRead              Permission = "employees:read"
	EmployeesInvite            Permission = "employees:invite"
	EmployeesUpdate            Permission = "employees:update"
	EmployeesResetSecondFactor Permission = "employees:reset_second_factor"
	EmployeesDelete            Permission = "employees:delete"
	BillingRead                Permission = "billing:read"
	CompaniesRead              Permission = "companies:read"
	CompaniesCreate            Permission = "companies:create"
	CompaniesUpdate            Permission = "companies:update"
	CompaniesDelete            Permission = "companies:delete"
	CompaniesSuspend           Permission = "companies:suspend"
	CompaniesAssume            Permission = "companies:assume"
	ServiceAccountsRead        Permission = "service_accounts:read"
	ServiceAccountsCreate      Permission = "service_accounts:create"
	ServiceAccountsUpdate      Permission = "service_accounts:update"
	ServiceAccountsRotate      Permission = "service_accounts:rotate"
	ServiceAccountsDelete      Permission = "service_accounts:delete"
	KeysRead                   Permission = "keys:read"
	KeysIssue                  Permission = "keys:issue"
	KeysRevoke                 Permission = "keys:revoke"
	KeysUnlock                 Permission = "keys:unlock"
	KeysVerify                 Permission = "keys:verify"
	KeysRotateSelf             Permission = "keys:rotate_self"
	RotationsRead              Permission = "rotations:read"
	RotationsManage            Permission = "rotations:manage"
	PoliciesRead               Permission = "policies:read"
	PoliciesManage             Permission = "policies:manage"
	CredentialsRead            Permission = "credentials:read"
	CredentialsManage          Permission = "credentials:manage"
	AppsRead                   Permission = "apps:read"
	AppsManage                 Permission = "apps:manage"
	GatewaysRead               Permission = "gateways:read"
	GatewaysManage             Permission = "gateways:manage"
	WebhooksRead               Permission = "webhooks:read"
	WebhooksManage             Permission = "webhooks:manage"
	AuditRead                  Permission = "audit:read"
	ProtectedAPIsRead          Permission = "protected_apis:read"
	ProtectedAPIsManage        Permission = "protected_apis:manage"
	IncidentsRun               Permission = "incidents:run"
)

// catalogue holds every permission. An index is a position in stored and transmitted sets: a new permission takes the next
// free one, a withdrawn one leaves a gap.
var catalogue = [...]Entry{
	{NodesRead, "Read Nodes", "List and get nodes.", "Nodes", 0, true},
	{NodesCreate, "Create Node", "Create a node below another.", "Nodes", 1, true},
	{NodesUpdate, "Update Node", "Rename a node.", "Nodes", 2, true},
	{NodesDelete, "Delete Node", "Delete an empty node.", "Nodes", 3, true},
	{RolesRead, "Read Roles", "List and get roles.", "Roles", 4, true},
	{RolesCreate, "Create Role", "Create a custom role with permissions that one holds.", "Roles", 5, true},
	{RolesUpdate, "Update Role", "Change a custom role; it takes effect on the next request of whoever has it.", "Roles", 6, true},
	{RolesDelete, "Delete Role", "Delete a custom role that nobody has.", "Roles", 7, true},
	{EmployeesRead, "Read Employees", "List and get employees.", "Employees", 8, true},
	{EmployeesInvite, "Invite Employee", "Invite an employee, resend or revoke an invitation.", "Employees", 9, true},
	{EmployeesUpdate, "Update Employee", "Change an employee and end their sessions and tokens.", "Employees", 10, true},
	{EmployeesResetSecondFactor, "Reset Second Factor", "Remove an employee's passkeys and send an enrolment link.", "Employees", 11, true},
	{EmployeesDelete, "Delete Employee", "Delete an employee with their sessions and tokens.", "Employees", 12, true},
	{BillingRead, "Read Billing", "List packages and usage.", "Billing", 13, true},
	{CompaniesRead, "Read Companies", "List and get managed companies.", "Companies", 14, true},
	{CompaniesCreate, "Create Company", "Create a managed company under a node.", "Companies", 15, true},
	{CompaniesUpdate, "Update Company", "Change a managed company.", "Companies", 16, true},
	{CompaniesDelete, "Delete Company", "Delete a managed company without live service accounts.", "Companies", 17, true},
	{CompaniesSuspend, "Suspend Company", "Suspend and resume a company: all its keys stop and start with it.", "Companies", 18, true},
	{CompaniesAssume, "Assume Tenant", "Open a short session inside one company.", "Companies", 19, false},
	{ServiceAccountsRead, "Read Service Accounts", "List and get service accounts.", "Service accounts", 20, true},
	{ServiceAccountsCreate, "Create Service Account", "Create a service account.", "Service accounts", 21, false},
	{ServiceAccountsUpdate, "Update Service Account", "Change a service account's name, description, role and contacts.", "Service accounts", 22, false},
	{ServiceAccountsRotate, "Rotate Service Account Secret", "Replace a key's secret; the existing one stops at once, or after an overlap.", "Service accounts", 23, false},
	{ServiceAccountsDelete, "Delete Service Account", "Revoke a service account with all its keys, and delete one that has none alive.", "Service accounts", 24, false},
	{KeysRead, "Read Keys", "List and get keys; a secret is never among what is read.", "Keys", 25, true},
	{KeysIssue, "Issue Key", "Issue a key with scopes that one holds, change and activate it.", "Keys", 26, false},
	{KeysRevoke, "Revoke Key", "Revoke or deactivate a key.", "Keys", 27, false},
	{KeysUnlock, "Unlock", "Unlock a service account that too many wrong secrets locked.", "Keys", 28, false},
	{KeysVerify, "Verify Keys", "Ask whether a key is valid, for gateways that are not API Gateway.", "Keys", 29, true},
	{KeysRotateSelf, "Rotate Own Key", "Replace the key that signs this very request, with an overlap.", "Keys", 30, true},
	{RotationsRead, "Read Rotations", "List and get rotations and their evidence.", "Rotations", 31, true},
	{RotationsManage, "Manage Rotations", "Complete, cancel and extend rotations.", "Rotations", 32, true},
	{PoliciesRead, "Read Policies", "List and get rotation policies and calendars.", "Policies", 33, true},
	{PoliciesManage, "Manage Policies", "Create, change and delete rotation policies and calendars.", "Policies", 34, true},
	{CredentialsRead, "Read Credentials", "List and get public keys and passkeys.", "Credentials", 35, true},
	{CredentialsManage, "Manage Credentials", "Register, deactivate, activate and remove credentials.", "Credentials", 36, true},
	{AppsRead, "Read Apps", "List and get apps.", "Apps", 37, true},
	{AppsManage, "Manage Apps", "Create, configure, deploy, undeploy and delete apps.", "Apps", 38, true},
	{GatewaysRead, "Read Gateways", "List and get gateways.", "Gateways", 39, true},
	{GatewaysManage, "Manage Gateways", "Create, pair, unpair and delete gateways.", "Gateways", 40, true},
	{WebhooksRead, "Read Webhooks", "List and get webhooks and their deliveries.", "Webhooks", 41, true},
	{WebhooksManage, "Manage Webhooks", "Create and delete webhooks, redeliver.", "Webhooks", 42, true},
	{AuditRead, "Read Audit Log", "Search the audit log.", "Audit", 43, true},
	{ProtectedAPIsRead, "Read Protected APIs", "List and get the APIs that rekey guards.", "Protected APIs", 44, true},
	{ProtectedAPIsManage, "Manage Protected APIs", "Register, change and remove the APIs that rekey guards.", "Protected APIs", 45, true},
	{IncidentsRun, "Run Incident", "Revoke or rotate all keys of a subtree.", "Incidents", 46, false},
}

// byID is the catalogue by name, built once at start.
var byID = func() map[Permission]Entry {
	m := make(map[Permission]Entry, len(catalogue))
	for _, e := range catalogue {
		m[e.ID] = e
	}
	return m
}()

// Lookup finds a permission of the catalogue.
func Lookup(p Permission) (Entry, bool) {
	e, ok := byID[p]
	return e, ok
}

// Catalogue returns every permission in the order of the documentation.
func Catalogue() []Entry { return append([]Entry(nil), catalogue[:]...) }

// All is the set of every permission.
var All = func() Set {
	var s Set
	for _, e := range catalogue {
		s = s.Or(Of(e.ID))
	}
	return s
}()

// Machine is the set of what a service account can ever hold.
var Machine = func() Set {
	var s Set
	for _, e := range catalogue {
		if e.machine {
			s = s.Or(Of(e.ID))
		}
	}
	return s
}()
