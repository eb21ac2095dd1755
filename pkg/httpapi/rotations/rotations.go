// Package rotations serves rotations, and what starts them:
//
//	GET  /rotations, /rotations/{id}, /rotations/{id}/report
//	POST /rotations/{id}/complete, /cancel, /extend
//	POST /keys/{id}/rotate, /me/key/rotate
package rotations

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/httpapi/keys"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/period"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rotation"
)

// Service is what can be done with rotations.
type Service interface {
	Rotate(ctx context.Context, c call.Call, k id.Key, in rotation.Start) (rotation.Shown, error)
	RotateOwn(ctx context.Context, c call.Call) (rotation.Shown, error)
	Get(ctx context.Context, c call.Call, r id.Rotation) (rotation.View, error)
	List(ctx context.Context, c call.Call, w listing.Where, account id.ServiceAccount, f rotation.Filter, after string, limit int) ([]rotation.View, string, error)
	Findings(ctx context.Context, c call.Call, w listing.Where, account id.ServiceAccount, after string, limit int) ([]rotation.Finding, string, error)
	Report(ctx context.Context, c call.Call, r id.Rotation) (rotation.Report, error)
	Complete(ctx context.Context, c call.Call, r id.Rotation) (rotation.View, error)
	Cancel(ctx context.Context, c call.Call, r id.Rotation, force bool) (rotation.View, error)
	Extend(ctx context.Context, c call.Call, r id.Rotation, until time.Time) (rotation.View, error)
}

// Register adds the operations.
func Register(a *httpapi.API, s Service, now func() time.Time) {
	r := resource{api: a, service: s, now: now}
	r.registerStarts()
	r.registerLists()
	r.registerReport()
	r.registerActions()
}

type resource struct {
	api     *httpapi.API
	service Service
	now     func() time.Time
}

const noun = "rotations"

type rotateInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body struct {
		Mode           string                `json:"mode" enum:"overlap,immediate,emergency" doc:"overlap: a new key, both work until the overlap ends; immediate: the same key, a new secret, the old one stops at once; emergency: the key is revoked first, then there is a new one"`
		Overlap        string                `json:"overlap,omitempty" minLength:"1" maxLength:"20" example:"P7D" doc:"PT1M to P30D; left out: as the policy says, P7D without one"`
		Reason         string                `json:"reason,omitempty" maxLength:"500"`
		SuspectedSince httpapi.Field[string] `json:"suspected_since,omitempty" nullable:"true" format:"date-time" doc:"Since when the secret may have been in wrong hands"`
		ExpiresAt      httpapi.Field[string] `json:"expires_at,omitempty" nullable:"true" format:"date-time" doc:"End of the new secret, in the future; null: never; left out: the policy's default lifetime, without one as before"`
		Force          bool                  `json:"force,omitempty" doc:"Ends an open rotation of the key first"`
		DeliverTo      *keys.DeliverTo       `json:"deliver_to,omitempty" doc:"Then no secret is in the answer, and an overlap begins when the secret has been delivered"`
	}
}

// rotated is the answer to rotating a key.
type rotated struct {
	Rotation Rotation `json:"rotation"`
	Key      keys.Key `json:"key" doc:"The key that carries the new secret"`
	OldKey   OldKey   `json:"old_key"`
	httpapi.OneTime
}

// own is the answer to a key that rotated itself.
type own struct {
	Rotation Rotation `json:"rotation"`
	Key      keys.Key `json:"key"`
	httpapi.OneTime
}

func (r resource) registerStarts() {
	httpapi.Register(r.api, httpapi.Operation{ID: "rotateKey", Method: http.MethodPost, Path: "/keys/{id}/rotate", Tag: noun,
		Summary: "Rotate a key",
		Description: "The new secret is shown once, to a caller that holds every scope of the key; the new key has exactly the old one's scopes and its name. " +
			"With deliver_to it is put straight into its consumer's secret, and whoever calls need not hold the scopes.",
		Access: httpapi.Needs(permission.ServiceAccountsRotate), Status: http.StatusCreated, Tagged: true, Match: true,
		Denied: &httpapi.DeniedAudit{Action: audit.UserUpdated, Change: audit.KeyRotated, TargetType: "key", TargetParam: "id"},
		Errors: []fault.Kind{fault.NotGrantable, fault.Conflict, fault.Ended, fault.RotationOpen, fault.CompanySuspended}},
		func(ctx context.Context, c call.Call, in *rotateInput) (rotation.Shown, error) {
			k, ok := id.Parse[id.Key](in.ID)
			if !ok {
				return rotation.Shown{}, fault.Missing("key")
			}
			b := &in.Body
			start := rotation.Start{Mode: rotation.Mode(b.Mode), Reason: b.Reason, ExpiresAt: keys.Expiry(b.ExpiresAt), Force: b.Force}
			if b.Overlap != "" {
				var ok bool
				if start.Overlap, ok = period.Parse(b.Overlap); !ok || start.Overlap == 0 {
					return rotation.Shown{}, fault.InvalidField("/overlap", "is not between PT1M and P30D, or no duration in weeks, days, hours, minutes and seconds, like P7D or PT15M")
				}
			}
			if since := keys.Expiry(b.SuspectedSince); since.Given {
				start.Suspected = since.At
			}
			var err error
			if start.Deliver, err = b.DeliverTo.Target(); err != nil {
				return rotation.Shown{}, err
			}
			return r.service.Rotate(ctx, c, k, start)
		},
		func(s rotation.Shown) httpapi.Answer[rotated] {
			now := r.now()
			return httpapi.Answer[rotated]{Body: rotated{Rotation: Of(s.View, now), Key: keys.Of(s.View.New, now), OldKey: oldKey(s.View.Old.Key)},
				ETag: tag(s.View.Rotation), Secret: s.Secret}
		})

	httpapi.Register(r.api, httpapi.Operation{ID: "rotateOwnKey", Method: http.MethodPost, Path: "/me/key/rotate", Tag: noun,
		Summary:     "Rotate the key that calls",
		Description: "An overlap by the policy's terms, with exactly the same scopes, when the policy allows it. The new secret is shown once.",
		Access:      httpapi.Needs(permission.KeysRotateSelf), Status: http.StatusCreated, Tagged: true, ByKey: true,
		Denied: &httpapi.DeniedAudit{Action: audit.UserUpdated, Change: audit.KeyRotated, TargetType: "key"},
		Errors: []fault.Kind{fault.Conflict, fault.RotationOpen, fault.Ended, fault.CompanySuspended}},
		func(ctx context.Context, c call.Call, in *struct {
			Body *struct{} `doc:"Empty"`
		}) (rotation.Shown, error) {
			return r.service.RotateOwn(ctx, c)
		},
		func(s rotation.Shown) httpapi.Answer[own] {
			now := r.now()
			return httpapi.Answer[own]{Body: own{Rotation: Of(s.View, now), Key: keys.Of(s.View.New, now)}, ETag: tag(s.View.Rotation), Secret: s.Secret}
		})
}

type listInput struct {
	httpapi.Paging
	httpapi.PlaceFilter
	httpapi.Format
	ServiceAccountID string `query:"service_account_id" maxLength:"100" doc:"Only rotations of this service account's keys"`
	State            string `query:"state" enum:"issued,delivered,seen,quiet,retired,cancelled,aborted,overdue"`
	DueBefore        string `query:"due_before" format:"date-time" doc:"Open ones whose old key stops before"`
}

// page is a page of rotations together with its sealed cursor.
type page struct {
	views    []rotation.View
	findings []rotation.Finding // in CSV, after the last rotation
	next     string
	csv      bool
}

// findingsAfter begins the position of a page of findings; what follows is theirs.
const findingsAfter = "findings|"

func (r resource) registerLists() {
	httpapi.Register(r.api, httpapi.Operation{ID: "listRotations", Method: http.MethodGet, Path: "/rotations", Tag: noun,
		Summary: "List rotations, newest first", Description: "At most one of node_id, company_id and service_account_id, and at most one other filter. " +
			"In CSV there is one line for each rotation, with its policy, its keys and the time of every step, and then, without a filter or with state=overdue, " +
			"one for each live key that does not keep to its policy: finding is older_than_allowed, overdue or exception. The next page's cursor is in Rekey-Next.",
		Access: httpapi.Needs(permission.RotationsRead), CSV: true, Errors: []fault.Kind{fault.NotFound}},
		func(ctx context.Context, c call.Call, in *listInput) (page, error) {
			where, err := in.PlaceFilter.Where(in.ServiceAccountID)
			if err != nil {
				return page{}, err
			}
			if err := httpapi.AtMostOne("state", in.State, "due_before", in.DueBefore); err != nil {
				return page{}, err
			}
			f := rotation.Filter{State: rotation.State(in.State)}
			if in.DueBefore != "" {
				if f.DueBefore, err = time.Parse(time.RFC3339, in.DueBefore); err != nil {
					return page{}, fault.InvalidField("/due_before", "is no time of RFC 3339")
				}
			}
			var account id.ServiceAccount
			if in.ServiceAccountID != "" {
				var ok bool
				if account, ok = id.Parse[id.ServiceAccount](in.ServiceAccountID); !ok {
					return page{}, fault.Missing("service account")
				}
			}
			after, err := r.api.After(ctx, in.Cursor)
			if err != nil {
				return page{}, err
			}
			out := page{csv: in.CSV()}
			position, inFindings := strings.CutPrefix(after, findingsAfter)
			if !inFindings {
				if out.views, position, err = r.service.List(ctx, c, where, account, f, after, in.Limit); err != nil {
					return page{}, err
				}
			}
			if out.csv && f.DueBefore.IsZero() && (f.State == "" || f.State == rotation.Overdue) && (inFindings || position == "") {
				room := in.Limit - len(out.views)
				var more string
				if out.findings, more, err = r.service.Findings(ctx, c, where, account, position, max(room, 1)); err != nil {
					return page{}, err
				}
				switch {
				case room == 0 && (len(out.findings) > 0 || more != ""): // a page that is full of rotations: they come on the next one
					out.findings, position = nil, findingsAfter
				case more != "":
					position = findingsAfter + more
				default:
					position = ""
				}
			}
			out.next, err = r.api.Next(ctx, position)
			return out, err
		},
		func(p page) httpapi.Answer[httpapi.List[Rotation]] {
			now := r.now()
			if p.csv {
				return httpapi.Answer[httpapi.List[Rotation]]{Table: tableOf(p, now)}
			}
			items := make([]Rotation, 0, len(p.views))
			for _, v := range p.views {
				items = append(items, Of(v, now))
			}
			return httpapi.Answer[httpapi.List[Rotation]]{Body: httpapi.NewList(items, p.next)}
		})

	httpapi.Register(r.api, httpapi.Operation{ID: "getRotation", Method: http.MethodGet, Path: "/rotations/{id}", Tag: noun,
		Summary: "Get a rotation with its evidence", Access: httpapi.Needs(permission.RotationsRead), Tagged: true},
		func(ctx context.Context, c call.Call, in *rotationInput) (rotation.View, error) {
			rot, err := rotationID(in.ID)
			if err != nil {
				return rotation.View{}, err
			}
			return r.service.Get(ctx, c, rot)
		}, r.one)
}

type rotationInput struct {
	ID string `path:"id" maxLength:"100"`
}

type completeInput struct {
	ID   string    `path:"id" maxLength:"100"`
	Body *struct{} `doc:"Empty"`
}

type cancelInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body *struct {
		Force bool `json:"force,omitempty" doc:"Although there was traffic on the new key"`
	}
}

type extendInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body struct {
		Until string `json:"until" format:"date-time" doc:"After the present end, at most P30D after it, and not after the end that the old key had before"`
	}
}

func rotationID(text string) (id.Rotation, error) {
	if r, ok := id.Parse[id.Rotation](text); ok {
		return r, nil
	}
	return "", fault.Missing("rotation")
}

func (r resource) one(v rotation.View) httpapi.Answer[Rotation] {
	return httpapi.Answer[Rotation]{Body: Of(v, r.now()), ETag: tag(v.Rotation)}
}

func (r resource) registerActions() {
	action := func(name, path, summary, description string) httpapi.Operation {
		return httpapi.Operation{ID: name, Method: http.MethodPost, Path: "/rotations/{id}/" + path, Tag: noun, Summary: summary, Description: description,
			Access: httpapi.Needs(permission.RotationsManage), Tagged: true, Match: true, Errors: []fault.Kind{fault.Ended, fault.Conflict}}
	}
	httpapi.Register(r.api, action("completeRotation", "complete", "End the old key now", "It is revoked; its record stays."),
		func(ctx context.Context, c call.Call, in *completeInput) (rotation.View, error) {
			rot, err := rotationID(in.ID)
			if err != nil {
				return rotation.View{}, err
			}
			return r.service.Complete(ctx, c, rot)
		}, r.one)
	httpapi.Register(r.api, action("cancelRotation", "cancel", "Take the new key back", "It is revoked, and the old key gets the end back that it had. After traffic on the new key: 409 unless forced."),
		func(ctx context.Context, c call.Call, in *cancelInput) (rotation.View, error) {
			rot, err := rotationID(in.ID)
			if err != nil {
				return rotation.View{}, err
			}
			return r.service.Cancel(ctx, c, rot, in.Body != nil && in.Body.Force)
		}, r.one)
	httpapi.Register(r.api, action("extendRotation", "extend", "Let the old key stop later, once", ""),
		func(ctx context.Context, c call.Call, in *extendInput) (rotation.View, error) {
			rot, err := rotationID(in.ID)
			if err != nil {
				return rotation.View{}, err
			}
			until, err := time.Parse(time.RFC3339, in.Body.Until)
			if err != nil {
				return rotation.View{}, fault.InvalidField("/until", "is no time of RFC 3339")
			}
			return r.service.Extend(ctx, c, rot, until.UTC().Truncate(time.Second))
		}, r.one)
}
