package employees

import (
	"context"
	"net/http"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/staff"
)

type employeeInput struct {
	ID string `path:"id" maxLength:"100"`
}

type patchInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body struct {
		Email     *string `json:"email,omitempty" minLength:"1" maxLength:"254" doc:"A code that was sent to the old address is dead"`
		FirstName *string `json:"first_name,omitempty" minLength:"1" maxLength:"100"`
		LastName  *string `json:"last_name,omitempty" minLength:"1" maxLength:"100"`
		RoleID    *string `json:"role_id,omitempty" minLength:"1" maxLength:"100" doc:"Nobody changes their own"`
	}
}

func (r resource) registerSingle() {
	httpapi.Register(r.api, httpapi.Operation{ID: "getEmployee", Method: http.MethodGet, Path: "/employees/{id}", Tag: noun,
		Summary: "Get an employee", Access: httpapi.Needs(permission.EmployeesRead), Tagged: true},
		func(ctx context.Context, c call.Call, in *employeeInput) (employee.Employee, error) {
			e, err := employeeID(in.ID)
			if err != nil {
				return employee.Employee{}, err
			}
			return r.service.Get(ctx, c, e)
		}, one)

	httpapi.Register(r.api, httpapi.Operation{ID: "patchEmployee", Method: http.MethodPatch, Path: "/employees/{id}", Tag: noun,
		Summary: "Change an employee",
		Description: "Names, address and role; a role holds from the next request on. Whoever changes an employee, also oneself, must be able to give them the role " +
			"that they have, and only an owner changes an owner. The last owner who can act stays one.",
		Access: httpapi.Needs(permission.EmployeesUpdate), Denied: denied(audit.EmployeeUpdated), Tagged: true, Match: true, MergePatch: true,
		Errors: []fault.Kind{fault.Conflict, fault.LastOwner, fault.NotGrantable}},
		func(ctx context.Context, c call.Call, in *patchInput) (employee.Employee, error) {
			e, err := employeeID(in.ID)
			if err != nil {
				return employee.Employee{}, err
			}
			b := in.Body
			return r.service.Patch(ctx, c, e, staff.Patch{Email: b.Email, FirstName: b.FirstName, LastName: b.LastName, RoleID: (*id.Role)(b.RoleID)})
		}, one)

	httpapi.Register(r.api, httpapi.Operation{ID: "deleteEmployee", Method: http.MethodDelete, Path: "/employees/{id}", Tag: noun,
		Summary: "Delete an employee",
		Description: "Their sessions and personal access tokens are refused from the next request on. What they made stays: service accounts, keys, roles. " +
			"Their address and seat are free; their name stays in the audit log. The last owner who can act is not deleted.",
		Access: httpapi.Needs(permission.EmployeesDelete), Denied: denied(audit.EmployeeDeleted), Status: http.StatusNoContent, Match: true,
		Errors: []fault.Kind{fault.LastOwner, fault.NotGrantable}},
		func(ctx context.Context, c call.Call, in *employeeInput) (httpapi.None, error) {
			e, err := employeeID(in.ID)
			if err != nil {
				return httpapi.None{}, err
			}
			return httpapi.None{}, r.service.Delete(ctx, c, e)
		},
		func(httpapi.None) httpapi.Answer[httpapi.None] { return httpapi.Answer[httpapi.None]{} })
}

func (r resource) registerActions() {
	letters := []fault.Kind{fault.Conflict, fault.NotGrantable, fault.TooManyRequests}
	httpapi.Register(r.api, httpapi.Operation{ID: "resendInvitation", Method: http.MethodPost, Path: "/employees/{id}/resend-invitation", Tag: noun,
		Summary: "Send an invitation anew",
		Description: "With a new code; the one before is dead at once. Also for an employee whose second factor was reset and who has not enrolled since. " +
			"At most 5 letters an hour go to one address, those of invitations and resets among them; then 429.",
		Access: httpapi.Needs(permission.EmployeesInvite), Denied: denied(audit.InvitationResent), Tagged: true, Match: true, Errors: letters},
		r.act(Service.Resend), one)

	httpapi.Register(r.api, httpapi.Operation{ID: "revokeInvitation", Method: http.MethodPost, Path: "/employees/{id}/revoke-invitation", Tag: noun,
		Summary:     "Take an invitation back",
		Description: "The invited employee is deleted: the code is dead, the seat and the address are free. 409 for one who has accepted.",
		Access:      httpapi.Needs(permission.EmployeesInvite), Denied: denied(audit.InvitationRevoked), Status: http.StatusNoContent, Match: true,
		Errors: []fault.Kind{fault.Conflict, fault.NotGrantable}},
		r.act(Service.Revoke),
		func(employee.Employee) httpapi.Answer[httpapi.None] { return httpapi.Answer[httpapi.None]{} })

	httpapi.Register(r.api, httpapi.Operation{ID: "resetSecondFactor", Method: http.MethodPost, Path: "/employees/{id}/reset-second-factor", Tag: noun,
		Summary: "Reset an employee's second factor",
		Description: "Takes all passkeys away, ends all sessions, and sends a letter with a one-time code for a new passkey. Personal access tokens stay: " +
			"revoke them one by one. 409 for an employee who has not accepted yet.",
		Access: httpapi.Needs(permission.EmployeesResetSecondFactor), Denied: denied(audit.SecondFactorReset), Tagged: true, Match: true, Errors: letters},
		r.act(Service.Reset), one)
}

// act carries out what takes no input.
func (r resource) act(do func(Service, context.Context, call.Call, id.Employee) (employee.Employee, error)) func(context.Context, call.Call, *employeeInput) (employee.Employee, error) {
	return func(ctx context.Context, c call.Call, in *employeeInput) (employee.Employee, error) {
		e, err := employeeID(in.ID)
		if err != nil {
			return employee.Employee{}, err
		}
		return do(r.service, ctx, c, e)
	}
}
