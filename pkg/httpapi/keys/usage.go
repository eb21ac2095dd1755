package keys

import (
	"context"
	"net/http"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/usage"
)

type usageInput struct {
	ID string `path:"id" maxLength:"100"`
	httpapi.Paging
	From    time.Time `query:"from" doc:"Inclusive; 24 hours before to without it. Usage is kept by hours, for 400 days: an hour counts whole if any request in it does"`
	To      time.Time `query:"to" doc:"Exclusive; now without it"`
	Verdict string    `query:"verdict" enum:"accepted,retired,revoked,expired,wrong_secret,missing_scope,locked,inactive,company_suspended"`
}

// Use is what one sender used a key for on one route, with one verdict.
type Use struct {
	SourceIP  string `json:"source_ip" doc:"IPv4 address, or /64 network of an IPv6 address; other: what is beyond 200 rows an hour"`
	UserAgent string `json:"user_agent" doc:"Of the last request in each hour"`
	API       string `json:"api" doc:"rekey, verify for what a gateway asked about with POST /verify, or the ID that API Gateway gave to another API"`
	Method    string `json:"method"`
	Route     string `json:"route" doc:"The path's template"`
	Verdict   string `json:"verdict" enum:"accepted,retired,revoked,expired,wrong_secret,missing_scope,locked,inactive,company_suspended" doc:"missing_scope is a 403 of any kind; wrong_secret has no route, and only the last count of each source"`
	Count     int64  `json:"count" doc:"At least so many"`
	FirstAt   string `json:"first_at" format:"date-time"`
	LastAt    string `json:"last_at" format:"date-time"`
}

// Uses is the body of a key's usage.
type Uses struct {
	Items         []Use   `json:"items" nullable:"false" doc:"A filtered page may be short, or empty, although there is a next one"`
	Next          *string `json:"next" doc:"The cursor of the next page; null at the end"`
	CompleteUntil string  `json:"complete_until" format:"date-time" doc:"Every source, route and verdict of a request before it is listed; counts are at least what they say"`
}

func (r resource) registerUsage() {
	httpapi.Register(r.api, httpapi.Operation{ID: "listKeyUsage", Method: http.MethodGet, Path: "/keys/{id}/usage", Tag: noun,
		Summary: "List who used a key, from where, on which routes",
		Description: "Added up by source, user agent, API, method, route and verdict, last used first. Where there is more than 10,000 " +
			"rows it goes on with earlier hours, and what is listed already is listed again with its count in those.",
		Access: httpapi.Needs(permission.KeysRead), Errors: []fault.Kind{fault.NotFound}},
		func(ctx context.Context, c call.Call, in *usageInput) (Uses, error) {
			k, err := keyID(in.ID)
			if err != nil {
				return Uses{}, err
			}
			after, err := r.api.After(ctx, in.Cursor)
			if err != nil {
				return Uses{}, err
			}
			p, err := r.service.Usage(ctx, c, k, usage.Query{From: in.From, To: in.To, Verdict: usage.Verdict(in.Verdict), After: after, Limit: in.Limit})
			if err != nil {
				return Uses{}, err
			}
			next, err := r.api.Next(ctx, p.Next)
			return usesOf(p, next), err
		},
		func(u Uses) httpapi.Answer[Uses] { return httpapi.Answer[Uses]{Body: u} })
}

func usesOf(p apikey.UsagePage, next string) Uses {
	out := Uses{Items: make([]Use, 0, len(p.Rows)), CompleteUntil: httpapi.TimeText(p.CompleteUntil)}
	if next != "" {
		out.Next = &next
	}
	for _, r := range p.Rows {
		out.Items = append(out.Items, UseOf(r))
	}
	return out
}

// UseOf shows a row of usage that is added up.
func UseOf(r usage.Row) Use {
	return Use{SourceIP: r.Source, UserAgent: r.UserAgent, API: r.API, Method: r.Method, Route: r.Route,
		Verdict: string(r.Verdict), Count: r.Count, FirstAt: httpapi.TimeText(r.FirstAt), LastAt: httpapi.TimeText(r.LastAt)}
}

func warningsOf(v apikey.View) []Warning {
	out := make([]Warning, 0, len(v.Warnings))
	for _, w := range v.Warnings {
		out = append(out, Warning{Code: "would_be_forbidden", API: w.API, Method: w.Method, Route: w.Route, Scope: string(w.Scope), Count: w.Count,
			LastAt: httpapi.TimeText(w.LastAt)})
	}
	return out
}
