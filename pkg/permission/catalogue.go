package permission

import "strings"

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

// A position is what a verdict needs of a permission. It stands apart from what people read of it so that the authorizer, which
// shows none of that, does not carry it.
type position struct {
	id      Permission
	index   int  // in a Set; never reused, never moved: sets travel between versions of rekey
	machine bool // a service account can hold it
}

// positions holds every permission. An index is a position in stored and transmitted sets: a new permission takes the next
// free one, a withdrawn one leaves a gap.
var positions = [...]position{
	{NodesRead, 0, true},
	{NodesCreate, 1, true},
	{NodesUpdate, 2, true},
	{NodesDelete, 3, true},
	{RolesRead, 4, true},
	{RolesCreate, 5, true},
	{RolesUpdate, 6, true},
	{RolesDelete, 7, true},
	{EmployeesRead, 8, true},
	{EmployeesInvite, 9, true},
	{EmployeesUpdate, 10, true},
	{EmployeesResetSecondFactor, 11, true},
	{EmployeesDelete, 12, true},
	{BillingRead, 13, true},
	{CompaniesRead, 14, true},
	{CompaniesCreate, 15, true},
	{CompaniesUpdate, 16, true},
	{CompaniesDelete, 17, true},
	{CompaniesSuspend, 18, true},
	{CompaniesAssume, 19, false},
	{ServiceAccountsRead, 20, true},
	{ServiceAccountsCreate, 21, false},
	{ServiceAccountsUpdate, 22, false},
	{ServiceAccountsRotate, 23, false},
	{ServiceAccountsDelete, 24, false},
	{KeysRead, 25, true},
	{KeysIssue, 26, false},
	{KeysRevoke, 27, false},
	{KeysUnlock, 28, false},
	{KeysVerify, 29, true},
	{KeysRotateSelf, 30, true},
	{RotationsRead, 31, true},
	{RotationsManage, 32, true},
	{PoliciesRead, 33, true},
	{PoliciesManage, 34, true},
	{CredentialsRead, 35, true},
	{CredentialsManage, 36, true},
	{AppsRead, 37, true},
	{AppsManage, 38, true},
	{GatewaysRead, 39, true},
	{GatewaysManage, 40, true},
	{WebhooksRead, 41, true},
	{WebhooksManage, 42, true},
	{AuditRead, 43, true},
	{ProtectedAPIsRead, 44, true},
	{ProtectedAPIsManage, 45, true},
	{IncidentsRun, 46, false},
}

// explained is what people read of each permission, in the order of the documentation.
var explained = [...]Entry{
	{NodesRead, "Read Nodes", "List and get nodes.", "Nodes"},
	{NodesCreate, "Create Node", "Create a node below another.", "Nodes"},
	{NodesUpdate, "Update Node", "Rename a node.", "Nodes"},
	{NodesDelete, "Delete Node", "Delete an empty node.", "Nodes"},
	{RolesRead, "Read Roles", "List and get roles.", "Roles"},
	{RolesCreate, "Create Role", "Create a custom role with permissions that one holds.", "Roles"},
	{RolesUpdate, "Update Role", "Change a custom role; it takes effect on the next request of whoever has it.", "Roles"},
	{RolesDelete, "Delete Role", "Delete a custom role that nobody has.", "Roles"},
	{EmployeesRead, "Read Employees", "List and get employees.", "Employees"},
	{EmployeesInvite, "Invite Employee", "Invite an employee, resend or revoke an invitation.", "Employees"},
	{EmployeesUpdate, "Update Employee", "Change an employee and end their sessions and tokens.", "Employees"},
	{EmployeesResetSecondFactor, "Reset Second Factor", "Remove an employee's passkeys and send a one-time code for a new one.", "Employees"},
	{EmployeesDelete, "Delete Employee", "Delete an employee with their sessions and tokens.", "Employees"},
	{BillingRead, "Read Billing", "List packages and usage.", "Billing"},
	{CompaniesRead, "Read Companies", "List and get managed companies.", "Companies"},
	{CompaniesCreate, "Create Company", "Create a managed company under a node.", "Companies"},
	{CompaniesUpdate, "Update Company", "Change a managed company.", "Companies"},
	{CompaniesDelete, "Delete Company", "Delete a managed company without live service accounts.", "Companies"},
	{CompaniesSuspend, "Suspend Company", "Suspend and resume a company: all its keys stop and start with it.", "Companies"},
	{CompaniesAssume, "Assume Tenant", "Open a short session inside one company.", "Companies"},
	{ServiceAccountsRead, "Read Service Accounts", "List and get service accounts.", "Service accounts"},
	{ServiceAccountsCreate, "Create Service Account", "Create a service account.", "Service accounts"},
	{ServiceAccountsUpdate, "Update Service Account", "Change a service account's name, description, role and contacts.", "Service accounts"},
	{ServiceAccountsRotate, "Rotate Service Account Secret", "Replace a key's secret; the existing one stops at once, or after an overlap.", "Service accounts"},
	{ServiceAccountsDelete, "Delete Service Account", "Revoke a service account with all its keys, and delete one that has none alive.", "Service accounts"},
	{KeysRead, "Read Keys", "List and get keys; a secret is never among what is read.", "Keys"},
	{KeysIssue, "Issue Key", "Issue a key with scopes that one holds, change and activate it.", "Keys"},
	{KeysRevoke, "Revoke Key", "Revoke or deactivate a key.", "Keys"},
	{KeysUnlock, "Unlock", "Unlock a service account that too many wrong secrets locked.", "Keys"},
	{KeysVerify, "Verify Keys", "Ask whether a key is valid, for gateways that are not API Gateway.", "Keys"},
	{KeysRotateSelf, "Rotate Own Key", "Replace the key that signs this very request, with an overlap.", "Keys"},
	{RotationsRead, "Read Rotations", "List and get rotations and their evidence.", "Rotations"},
	{RotationsManage, "Manage Rotations", "Complete, cancel and extend rotations.", "Rotations"},
	{PoliciesRead, "Read Policies", "List and get rotation policies and calendars.", "Policies"},
	{PoliciesManage, "Manage Policies", "Create, change and delete rotation policies and calendars.", "Policies"},
	{CredentialsRead, "Read Credentials", "List and get public keys and passkeys.", "Credentials"},
	{CredentialsManage, "Manage Credentials", "Register, deactivate, activate and remove credentials.", "Credentials"},
	{AppsRead, "Read Apps", "List and get apps.", "Apps"},
	{AppsManage, "Manage Apps", "Create, configure, deploy, undeploy and delete apps.", "Apps"},
	{GatewaysRead, "Read Gateways", "List and get gateways.", "Gateways"},
	{GatewaysManage, "Manage Gateways", "Create, pair, unpair and delete gateways.", "Gateways"},
	{WebhooksRead, "Read Webhooks", "List and get webhooks and their deliveries.", "Webhooks"},
	{WebhooksManage, "Manage Webhooks", "Create and delete webhooks, redeliver.", "Webhooks"},
	{AuditRead, "Read Audit Log", "Search the audit log.", "Audit"},
	{ProtectedAPIsRead, "Read Protected APIs", "List and get the APIs that rekey guards.", "Protected APIs"},
	{ProtectedAPIsManage, "Manage Protected APIs", "Register, change and remove the APIs that rekey guards.", "Protected APIs"},
	{IncidentsRun, "Run Incident", "Revoke or rotate all keys of a subtree.", "Incidents"},
}

// indexes are the positions by name, of the wildcards too, built once at start.
var indexes = func() map[Permission]int {
	m := make(map[Permission]int, len(positions)+len(Kinds))
	for _, e := range positions {
		m[e.id] = e.index
	}
	for i, k := range Kinds {
		m[k.Wildcard()] = firstWildcard + i
	}
	return m
}()

// Known tells whether a permission is of the catalogue.
func Known(p Permission) bool {
	i, ok := indexes[p]
	return ok && i < firstWildcard
}

// Catalogue returns every permission in the order of the documentation.
func Catalogue() []Entry { return append([]Entry(nil), explained[:]...) }

// All is the set of every permission, and of every protected scope.
var All = setOf(wildcards, func(position) bool { return true })

// Machine is the set of what a service account can ever hold, every protected scope included.
var Machine = setOf(wildcards, func(e position) bool { return e.machine })

// Reading is the set of every permission, and of every protected scope, that only reads, but for the audit log.
var Reading = setOf(Of(Read.Wildcard()), func(e position) bool { return strings.HasSuffix(string(e.id), ":read") && e.id != AuditRead })

func setOf(s Set, holds func(position) bool) Set {
	for _, e := range positions {
		if holds(e) {
			s.bits[e.index/64] |= 1 << (e.index % 64)
		}
	}
	return s
}

// Assumed is the set of what an employee can do inside a company whose tenant they assumed: what a company is run with, the scopes of
// protected APIs included. What is the provider's own is not among it, whatever the employee's role has: nodes, roles, employees and
// their tokens, further companies, and assuming another one.
var Assumed = Of(CompaniesRead, CompaniesUpdate, BillingRead, ServiceAccountsRead, ServiceAccountsCreate, ServiceAccountsUpdate,
	ServiceAccountsRotate, ServiceAccountsDelete, KeysRead, KeysIssue, KeysRevoke, KeysUnlock, KeysVerify, RotationsRead,
	RotationsManage, PoliciesRead, PoliciesManage, CredentialsRead, CredentialsManage, AppsRead, AppsManage, GatewaysRead,
	GatewaysManage, WebhooksRead, WebhooksManage, AuditRead).Or(wildcards)
