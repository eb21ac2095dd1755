// Package employees serves the human users of the MSP:
//
//	GET, POST          /employees
//	GET, PATCH, DELETE /employees/{id}
//	POST               /employees/{id}/resend-invitation, /revoke-invitation, /reset-second-factor
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
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/precondition"
	"github.com/rekey-dev/rekey/pkg/staff"
)

// Service is what can be done with employees.
type Service interface {
	List(ctx context.Context, c call.Call, w listing.Where, f staff.Filter, after string, limit int) ([]employee.Employee, string, error)
	Invite(ctx context.Context, c call.Call, in staff.New) (employee.Employee, error)
	Get(ctx context.Context, c call.Call, e id.Employee) (employee.Employee, error)
	Patch(ctx context.Context, c call.Call, e id.Employee, in staff.Patch) (employee.Employee, error)
	Delete(ctx context.Context, c call.Call, e id.Employee) error
	Resend(ctx context.Context, c call.Call, e id.Employee) (employee.Employee, error)
	Revoke(ctx context.Context, c call.Call, e id.Employee) (employee.Employee, error)
	Reset(ctx context.Context, c call.Call, e id.Employee) (employee.Employee, error)
}

// Register adds the operations.
func Register(a *httpapi.API, s Service) {
	r := resource{api: a, service: s}
	r.registerCollection()
	r.registerSingle()
	r.registerActions()
}

type resource struct {
	api     *httpapi.API
	service Service
}

const noun = "employees"

// Employee is an employee as the API shows it.
type Employee struct {
	ID            string                       `json:"id" example:"emp_7Hq2cXv9LmN4pQr8sT1w"`
	Email         string                       `json:"email" doc:"With its domain in small letters"`
	FirstName     string                       `json:"first_name"`
	LastName      string                       `json:"last_name"`
	NodeID        string                       `json:"node_id" doc:"Where the employee stands: the role holds there and below"`
	RoleID        string                       `json:"role_id"`
	Status        string                       `json:"status" enum:"invited,active" doc:"invited until the first passkey is enrolled; cannot act before"`
	SecondFactor  SecondFactor                 `json:"second_factor"`
	Invitation    httpapi.Nullable[Invitation] `json:"invitation" doc:"The invitation, or the enrolment after a reset of the second factor, that is open; null for none"`
	LastSignInAt  *string                      `json:"last_sign_in_at" format:"date-time" doc:"With a passkey; null for never"`
	CreatedBy     string                       `json:"created_by" doc:"ID of who invited; empty for who set the deployment up, and when they stand above the caller's node"`
	CreatedByName string                       `json:"created_by_name"`
	CreatedAt     string                       `json:"created_at" format:"date-time"`
	UpdatedAt     string                       `json:"updated_at" format:"date-time"`
}

// SecondFactor is what an employee signs in with.
type SecondFactor struct {
	Passkeys int `json:"passkeys" doc:"How many are enrolled, at most 10"`
}

// Invitation is a one-time code that was sent. The code itself is in the letter and nowhere else.
type Invitation struct {
	ExpiresAt string  `json:"expires_at" format:"date-time" doc:"72 hours after it was made"`
	SentAt    *string `json:"sent_at" format:"date-time" doc:"When the letter with the code was handed to Amazon SES; null when that failed: resend it"`
}

func of(e employee.Employee) Employee {
	out := Employee{ID: string(e.ID), Email: e.Email, FirstName: e.FirstName, LastName: e.LastName, NodeID: string(e.Place.Node()), RoleID: string(e.RoleID),
		Status: string(e.Status), SecondFactor: SecondFactor{Passkeys: len(e.Passkeys)}, LastSignInAt: httpapi.Time(e.LastSignInAt),
		CreatedBy: e.CreatedBy, CreatedByName: e.CreatedByName, CreatedAt: httpapi.TimeText(e.CreatedAt), UpdatedAt: httpapi.TimeText(e.UpdatedAt)}
	if e.Code != "" {
		out.Invitation = httpapi.NullableOf(&Invitation{ExpiresAt: httpapi.TimeText(e.CodeExpiresAt), SentAt: httpapi.Time(e.CodeSentAt)})
	}
	return out
}

func one(e employee.Employee) httpapi.Answer[Employee] {
	return httpapi.Answer[Employee]{Body: of(e), ETag: precondition.Tag(string(e.ID), e.Version)}
}

func employeeID(text string) (id.Employee, error) {
	if e, ok := id.Parse[id.Employee](text); ok {
		return e, nil
	}
	return "", fault.Missing("employee")
}

func denied(action string) *httpapi.DeniedAudit {
	return &httpapi.DeniedAudit{Action: action, TargetType: "employee", TargetParam: "id"}
}

type createInput struct {
	Body struct {
		Email     string `json:"email" minLength:"1" maxLength:"254" doc:"Unique in the MSP, without regard to case"`
		FirstName string `json:"first_name" minLength:"1" maxLength:"100"`
		LastName  string `json:"last_name" minLength:"1" maxLength:"100"`
		NodeID    string `json:"node_id" minLength:"1" maxLength:"100" doc:"Where the employee stands; employees never move"`
		RoleID    string `json:"role_id" minLength:"1" maxLength:"100" doc:"One that employees can have and all of which the caller holds; only an owner makes an owner, at the root node"`
	}
}

type listInput struct {
	httpapi.Paging
	NodeID string `query:"node_id" maxLength:"100" doc:"Employees of the node and of all below it"`
	Direct bool   `query:"direct" doc:"With node_id: only the node's own"`
	Status string `query:"status" enum:"invited,active"`
	RoleID string `query:"role_id" maxLength:"100"`
	Email  string `query:"email" maxLength:"254" doc:"The whole address, in any case"`
	Q      string `query:"q" maxLength:"100" doc:"Case-insensitive prefix of the first and last name with a blank between, or an exact ID"`
}

// page is a page of employees together with its sealed cursor.
type page struct {
	employees []employee.Employee
	next      string
}

func (r resource) registerCollection() {
	httpapi.Register(r.api, httpapi.Operation{ID: "listEmployees", Method: http.MethodGet, Path: "/employees", Tag: noun,
		Summary: "List employees, by name", Description: "Those at the caller's place, or below a node. At most one of status, role_id, email and q.",
		Access: httpapi.Needs(permission.EmployeesRead), Errors: []fault.Kind{fault.NotFound}},
		func(ctx context.Context, c call.Call, in *listInput) (page, error) {
			where, err := httpapi.PlaceFilter{NodeID: in.NodeID, Direct: in.Direct}.Where("")
			if err != nil {
				return page{}, err
			}
			if err := httpapi.AtMostOne("status", in.Status, "role_id", in.RoleID, "email", in.Email, "q", in.Q); err != nil {
				return page{}, err
			}
			after, err := r.api.After(ctx, in.Cursor)
			if err != nil {
				return page{}, err
			}
			f := staff.Filter{Status: employee.Status(in.Status), Role: id.Role(in.RoleID), Email: in.Email, Query: in.Q}
			found, position, err := r.service.List(ctx, c, where, f, after, in.Limit)
			if err != nil {
				return page{}, err
			}
			next, err := r.api.Next(ctx, position)
			return page{found, next}, err
		},
		func(p page) httpapi.Answer[httpapi.List[Employee]] {
			items := make([]Employee, 0, len(p.employees))
			for _, e := range p.employees {
				items = append(items, of(e))
			}
			return httpapi.Answer[httpapi.List[Employee]]{Body: httpapi.NewList(items, p.next)}
		})

	httpapi.Register(r.api, httpapi.Operation{ID: "inviteEmployee", Method: http.MethodPost, Path: "/employees", Tag: noun,
		Summary: "Invite an employee",
		Description: "Makes the employee, who cannot act yet, and sends a letter with a one-time code that is good for 72 hours and 5 tries. An invited " +
			"employee has a seat. When the letter cannot be sent, the employee is there all the same, with invitation.sent_at null: resend it. " +
			"At most 5 letters an hour go to one address, whoever sends them; then 429, and nothing is made. " +
			"Where the deployment sends no mail (parameter MailSender), 409 conflict, and nothing is made.",
		Access: httpapi.Needs(permission.EmployeesInvite), Status: http.StatusCreated, Tagged: true,
		Denied: &httpapi.DeniedAudit{Action: audit.EmployeeInvited, TargetType: "node"},
		Errors: []fault.Kind{fault.Conflict, fault.LimitReached, fault.NotGrantable, fault.NotFound, fault.TooManyRequests}},
		func(ctx context.Context, c call.Call, in *createInput) (employee.Employee, error) {
			b := in.Body
			at, ok := id.Parse[id.Node](b.NodeID)
			if !ok {
				return employee.Employee{}, fault.Missing("node")
			}
			return r.service.Invite(ctx, c, staff.New{Node: at, Email: b.Email, FirstName: b.FirstName, LastName: b.LastName, RoleID: id.Role(b.RoleID)})
		}, one)
}
