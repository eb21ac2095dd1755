package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/precondition"
	"github.com/rekey-dev/rekey/pkg/token"
)

// things is a resource with every kind of operation, behind which a test puts what it wants.
type things struct {
	do      func(c call.Call, in any) error // what the operation returns beside its result; nil for nothing
	call    call.Call                       // of the last operation
	in      any                             // its input
	secret  token.Secret                    // of what POST /things makes
	records map[string]*idempotency.Record
	repeat  token.Secret
	log     bytes.Buffer
}

type thing struct {
	ID    string   `json:"id"`
	Name  string   `json:"name"`
	Tags  []string `json:"tags"`
	Until *string  `json:"until" format:"date-time"`
}

type made struct {
	Thing thing `json:"thing"`
	httpapi.OneTime
}

type owner struct {
	Email string `json:"email" maxLength:"254"`
	Age   int    `json:"age,omitempty" minimum:"0" maximum:"200"`
}

type newThing struct {
	Name   string         `json:"name" minLength:"1" maxLength:"10"`
	Tags   []string       `json:"tags,omitempty" maxItems:"3" maxLength:"5" pattern:"^[a-z]*$"`
	Owner  owner          `json:"owner,omitempty"`
	Owners []owner        `json:"owners,omitempty" maxItems:"2"`
	Kind   string         `json:"kind,omitempty" enum:"big,small"`
	Live   bool           `json:"live,omitempty"`
	Until  string         `json:"until,omitempty" format:"date-time"`
	Secret httpapi.Secret `json:"secret,omitempty" maxLength:"1000"`
}

type createInput struct{ Body newThing }

type thingInput struct {
	ID string `path:"id" maxLength:"100"`
}

type patchInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body struct {
		Name  httpapi.Field[string]    `json:"name,omitempty" minLength:"1" maxLength:"10"`
		Until httpapi.Field[time.Time] `json:"until,omitempty" nullable:"true"`
		Tags  httpapi.Field[[]string]  `json:"tags,omitempty" maxItems:"3" maxLength:"5"`
	}
}

type actInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body *struct {
		Note string `json:"note,omitempty" maxLength:"20"`
	}
}

type openInput struct{}

type listInput struct {
	httpapi.Paging
	Q    string    `query:"q" maxLength:"10"`
	Live bool      `query:"live"`
	From time.Time `query:"from"`
	Kind string    `query:"kind" enum:"big,small"`
}

func (th *things) done(c call.Call, in any) error {
	th.call, th.in = c, in
	if th.do != nil {
		return th.do(c, in)
	}
	return nil
}

var sample = thing{ID: "thing_1", Name: "<one>", Tags: []string{}}

func one(r thing) httpapi.Answer[thing] {
	return httpapi.Answer[thing]{Body: r, ETag: precondition.Tag(r.ID, 3)}
}

// api registers the operations.
func (th *things) api() *httpapi.API { return th.apiWith(nil) }

// apiWith is api with records of earlier calls that cannot be read.
func (th *things) apiWith(down error) *httpapi.API {
	th.records = map[string]*idempotency.Record{}
	a := httpapitest.API(&th.log, func(s *httpapi.Settings) {
		s.Idempotency = func(_ context.Context, scope string, _ time.Time) (*idempotency.Record, error) {
			return th.records[scope], down
		}
		s.Repeat = func(context.Context, call.Call, idempotency.Record) (token.Secret, error) { return th.repeat, nil }
	})
	httpapi.Register(a, httpapi.Operation{ID: "listThings", Method: http.MethodGet, Path: "/things", Tag: "things", Summary: "List",
		Access: httpapi.Needs(permission.KeysRead)},
		func(ctx context.Context, c call.Call, in *listInput) (httpapi.List[thing], error) {
			if err := th.done(c, in); err != nil {
				return httpapi.List[thing]{}, err
			}
			after, err := a.After(ctx, in.Cursor)
			if err != nil {
				return httpapi.List[thing]{}, err
			}
			next, err := a.Next(ctx, after+"x")
			return httpapi.NewList([]thing{sample}, next), err
		}, func(l httpapi.List[thing]) httpapi.Answer[httpapi.List[thing]] {
			return httpapi.Answer[httpapi.List[thing]]{Body: l}
		})
	httpapi.Register(a, httpapi.Operation{ID: "createThing", Method: http.MethodPost, Path: "/things", Tag: "things", Summary: "Create",
		Access: httpapi.Needs(permission.KeysIssue), Status: http.StatusCreated, Errors: every},
		func(_ context.Context, c call.Call, in *createInput) (thing, error) {
			if err := c.Idempotency.Check(); err != nil {
				return thing{}, err
			}
			if err := th.done(c, in); err != nil {
				return thing{}, err
			}
			var derived *idempotency.DerivedSecret
			if !th.secret.IsZero() {
				derived = &idempotency.DerivedSecret{}
			}
			r, err := c.Idempotency.Record("op_1", httpapitest.Now, sample, derived)
			if r != nil {
				th.records[r.Scope] = r
			}
			return sample, err
		}, func(r thing) httpapi.Answer[made] {
			return httpapi.Answer[made]{Body: made{Thing: r}, Secret: th.secret}
		})
	httpapi.Register(a, httpapi.Operation{ID: "getThing", Method: http.MethodGet, Path: "/things/{id}", Tag: "things", Summary: "Get",
		Access: httpapi.SignedIn, Tagged: true, Errors: every},
		func(_ context.Context, c call.Call, in *thingInput) (thing, error) { return sample, th.done(c, in) }, one)
	httpapi.Register(a, httpapi.Operation{ID: "patchThing", Method: http.MethodPatch, Path: "/things/{id}", Tag: "things", Summary: "Patch",
		Access: httpapi.SignedIn, Tagged: true, Match: true, MergePatch: true},
		func(_ context.Context, c call.Call, in *patchInput) (thing, error) { return sample, th.done(c, in) }, one)
	httpapi.Register(a, httpapi.Operation{ID: "deleteThing", Method: http.MethodDelete, Path: "/things/{id}", Tag: "things", Summary: "Delete",
		Access: httpapi.SignedIn, Status: http.StatusNoContent, Match: true},
		func(_ context.Context, c call.Call, in *thingInput) (httpapi.None, error) {
			return httpapi.None{}, th.done(c, in)
		},
		func(httpapi.None) httpapi.Answer[httpapi.None] { return httpapi.Answer[httpapi.None]{} })
	httpapi.Register(a, httpapi.Operation{ID: "actOnThing", Method: http.MethodPost, Path: "/things/{id}/act", Tag: "things", Summary: "Act",
		Access: httpapi.SignedIn, Tagged: true, Match: true},
		func(_ context.Context, c call.Call, in *actInput) (thing, error) { return sample, th.done(c, in) }, one)
	httpapi.Register(a, httpapi.Operation{ID: "open", Method: http.MethodPost, Path: "/open", Tag: "things", Summary: "Public",
		Access: httpapi.Public},
		func(_ context.Context, c call.Call, in *openInput) (httpapi.None, error) {
			return httpapi.None{}, th.done(c, in)
		},
		func(httpapi.None) httpapi.Answer[httpapi.None] { return httpapi.Answer[httpapi.None]{} })
	return a
}

// every is every kind of fault, for an operation that may return any.
var every = fault.Kinds

var errInternal = errors.New("table Identity: secret rka_7Hq2cXv9LmN4pQr8sT1w_abcdef in item")

func as(method, resource string) httpapitest.Request {
	c := httpapitest.Owner()
	return httpapitest.Request{Method: method, Resource: resource, ID: "thing_1", Caller: &c}
}

func post(body string) httpapitest.Request {
	r := as(http.MethodPost, "/things")
	r.Body = body
	return r
}

func patch(body string) httpapitest.Request {
	r := as(http.MethodPatch, "/things/{id}")
	r.Body = body
	return r
}

func do(t *testing.T, r httpapitest.Request) httpapitest.Response {
	t.Helper()
	return r.Do(t, (&things{}).api())
}

type callOf = call.Call
