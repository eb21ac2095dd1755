package keys

import (
	"context"
	"net/http"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
)

type ofAccountInput struct {
	ID string `path:"id" maxLength:"100"`
	httpapi.Paging
}

type listInput struct {
	httpapi.Paging
	httpapi.PlaceFilter
	ServiceAccountID string `query:"service_account_id" maxLength:"100" doc:"Only keys of this service account"`
	OwnerType        string `query:"owner_type" enum:"service_account,gateway"`
	Status           string `query:"status" enum:"active,expiring,inactive,expired,revoked"`
	Prefix           string `query:"prefix" minLength:"8" maxLength:"8" doc:"The first 8 characters of the secret"`
	Q                string `query:"q" maxLength:"100" doc:"Case-insensitive prefix of the name, or an exact ID"`
	Locked           string `query:"locked" enum:"true" doc:"Only keys of locked accounts"`
	ExpiresBefore    string `query:"expires_before" format:"date-time" doc:"Live keys that end before, soonest first"`
	UnusedSince      string `query:"unused_since" format:"date-time" doc:"Live keys that were issued before and not used since"`
	RetiredSeenSince string `query:"retired_seen_since" format:"date-time" doc:"Keys of which a retired secret came in since"`
}

// page is a page of keys together with its sealed cursor.
type page struct {
	keys []apikey.View
	next string
}

func (r resource) show(p page) httpapi.Answer[httpapi.List[Key]] {
	now := r.now()
	items := make([]Key, 0, len(p.keys))
	for _, v := range p.keys {
		items = append(items, Of(v, now))
	}
	return httpapi.Answer[httpapi.List[Key]]{Body: httpapi.NewList(items, p.next)}
}

func (r resource) seal(ctx context.Context, p apikey.Page, err error) (page, error) {
	if err != nil {
		return page{}, err
	}
	next, err := r.api.Next(ctx, p.Next)
	return page{keys: p.Keys, next: next}, err
}

func (r resource) registerLists() {
	httpapi.Register(r.api, httpapi.Operation{ID: "listAccountKeys", Method: http.MethodGet, Path: "/service-accounts/{id}/keys", Tag: noun,
		Summary: "List a service account's keys, newest first", Access: httpapi.Needs(permission.KeysRead)},
		func(ctx context.Context, c call.Call, in *ofAccountInput) (page, error) {
			account, ok := id.Parse[id.ServiceAccount](in.ID)
			if !ok {
				return page{}, fault.Missing("service account")
			}
			after, err := r.api.After(ctx, in.Cursor)
			if err != nil {
				return page{}, err
			}
			p, err := r.service.OfAccount(ctx, c, account, after, in.Limit)
			return r.seal(ctx, p, err)
		}, r.show)

	httpapi.Register(r.api, httpapi.Operation{ID: "listKeys", Method: http.MethodGet, Path: "/keys", Tag: noun,
		Summary: "List keys by name, or by their end", Description: "At most one of node_id, company_id and service_account_id, and at most one other filter.",
		Access: httpapi.Needs(permission.KeysRead), Errors: []fault.Kind{fault.NotFound}},
		func(ctx context.Context, c call.Call, in *listInput) (page, error) {
			where, err := in.PlaceFilter.Where(in.ServiceAccountID)
			if err != nil {
				return page{}, err
			}
			if err := httpapi.AtMostOne("owner_type", in.OwnerType, "status", in.Status, "prefix", in.Prefix, "q", in.Q, "locked", in.Locked,
				"expires_before", in.ExpiresBefore, "unused_since", in.UnusedSince, "retired_seen_since", in.RetiredSeenSince); err != nil {
				return page{}, err
			}
			after, err := r.api.After(ctx, in.Cursor)
			if err != nil {
				return page{}, err
			}
			f := apikey.Filter{Status: apikey.Status(in.Status), OwnerType: in.OwnerType, Prefix: in.Prefix, Query: in.Q, Locked: in.Locked != ""}
			for _, at := range []struct {
				pointer, text string
				to            *time.Time
			}{{"/expires_before", in.ExpiresBefore, &f.ExpiresBefore}, {"/unused_since", in.UnusedSince, &f.UnusedSince},
				{"/retired_seen_since", in.RetiredSeenSince, &f.RetiredSeenSince}} {
				if at.text == "" {
					continue
				}
				if *at.to, err = time.Parse(time.RFC3339, at.text); err != nil {
					return page{}, fault.InvalidField(at.pointer, "is no time of RFC 3339")
				}
			}
			if in.ServiceAccountID != "" {
				account, ok := id.Parse[id.ServiceAccount](in.ServiceAccountID)
				if !ok {
					return page{}, fault.Missing("service account")
				}
				p, err := r.service.OfAccountByName(ctx, c, account, f, after, in.Limit)
				return r.seal(ctx, p, err)
			}
			p, err := r.service.List(ctx, c, where, f, after, in.Limit)
			return r.seal(ctx, p, err)
		}, r.show)
}
