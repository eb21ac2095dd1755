// Package setup serves the one route of a fresh deployment:
//
//	POST /setup
package setup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/precondition"
	"github.com/rekey-dev/rekey/pkg/setup"
)

// Service is set-up.
type Service interface {
	SetUp(ctx context.Context, p *idempotency.Pending, r audit.Request, in setup.Input) (setup.Result, error)
}

type input struct {
	Body struct {
		Code httpapi.Secret `json:"code" maxLength:"200" doc:"The deployment's set-up code, which its output SetupCodeCommand reads"`
		MSP  struct {
			Name string `json:"name" minLength:"1" maxLength:"100"`
		} `json:"msp"`
		Owner struct {
			Email     string `json:"email" minLength:"3" maxLength:"254"`
			FirstName string `json:"first_name" minLength:"1" maxLength:"100"`
			LastName  string `json:"last_name" minLength:"1" maxLength:"100"`
		} `json:"owner"`
	}
}

// result is what set-up made.
type result struct {
	MSP      provider `json:"msp"`
	Node     node     `json:"node"`
	Employee employee `json:"employee"`
	Token    pat      `json:"personal_access_token"`
	Next     string   `json:"next" doc:"What to do now, in words"`
	httpapi.OneTime
}

type provider struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	NodeID    string `json:"node_id" doc:"The root node"`
	CreatedAt string `json:"created_at" format:"date-time"`
}

type node struct {
	ID        string  `json:"id"`
	ParentID  *string `json:"parent_id"`
	Name      string  `json:"name"`
	Depth     int     `json:"depth"`
	Path      string  `json:"path" doc:"IDs of the nodes from the root to this one, joined with /"`
	CreatedAt string  `json:"created_at" format:"date-time"`
}

type employee struct {
	ID        string `json:"id"`
	Email     string `json:"email"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	NodeID    string `json:"node_id"`
	RoleID    string `json:"role_id"`
	Status    string `json:"status" enum:"invited,active"`
	CreatedAt string `json:"created_at" format:"date-time"`
}

type pat struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Prefix    string `json:"prefix"`
	ExpiresAt string `json:"expires_at" format:"date-time"`
}

// Register adds the operation.
func Register(a *httpapi.API, s Service) {
	httpapi.Register(a, httpapi.Operation{ID: "setUp", Method: http.MethodPost, Path: "/setup", Tag: "setup",
		Summary: "Set up a fresh deployment", Description: "Makes the MSP, its root node, its first owner and the owner's token, once.",
		Access: httpapi.Public, Status: http.StatusCreated, Tagged: true, Errors: []fault.Kind{fault.Unauthorized, fault.AlreadySetUp},
		RepeatScope: func(in any) string { return scope(in.(*input).Body.Code.Reveal()) }},
		func(ctx context.Context, c call.Call, in *input) (setup.Result, error) {
			b := in.Body
			return s.SetUp(ctx, c.Idempotency, c.Request, setup.Input{Code: b.Code.Reveal(), MSPName: b.MSP.Name, Email: b.Owner.Email,
				FirstName: b.Owner.FirstName, LastName: b.Owner.LastName})
		}, show)
}

// scope names the caller of a repeat: whoever knows the code.
func scope(code string) string {
	sum := sha256.Sum256([]byte("rekey/setup/1\x00" + code))
	return "setup " + hex.EncodeToString(sum[:])
}

func show(r setup.Result) httpapi.Answer[result] {
	e, t := r.Employee, r.Token
	return httpapi.Answer[result]{Secret: r.Secret, ETag: precondition.Tag(string(r.MSP.ID), r.MSP.Version), Body: result{
		MSP: provider{ID: string(r.MSP.ID), Name: r.MSP.Name, NodeID: string(r.MSP.RootNode), CreatedAt: httpapi.TimeText(r.MSP.CreatedAt)},
		Node: node{ID: string(r.Node.ID), ParentID: httpapi.Text(r.Node.ParentID), Name: r.Node.Name, Depth: r.Node.Depth(),
			Path: r.Node.Place.Path, CreatedAt: httpapi.TimeText(r.Node.CreatedAt)},
		Employee: employee{ID: string(e.ID), Email: e.Email, FirstName: e.FirstName, LastName: e.LastName, NodeID: string(e.Place.Node()),
			RoleID: string(e.RoleID), Status: string(e.Status), CreatedAt: httpapi.TimeText(e.CreatedAt)},
		Token: pat{ID: string(t.ID), Name: t.Name, Prefix: t.Prefix(), ExpiresAt: httpapi.TimeText(t.ExpiresAt)},
		Next: "Store the secret: it is shown this once. Send it as Authorization: Bearer. Create a service account with POST /v1/service-accounts, " +
			"then issue it a key with POST /v1/service-accounts/{id}/keys."}}
}
