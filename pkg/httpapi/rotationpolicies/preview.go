package rotationpolicies

import (
	"context"
	"net/http"
	"time"

	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/policy"
)

type previewInput struct {
	ID     string    `path:"id" maxLength:"100"`
	From   time.Time `query:"from" doc:"Inclusive; left out: now"`
	To     time.Time `query:"to" doc:"Exclusive, at most ten years after from; left out: 12 months after from"`
	Anchor time.Time `query:"anchor" doc:"When the secret was made that rotates first, at most ten years before from; left out: at from"`
}

// Preview is when keys would rotate by themselves.
type Preview struct {
	From   string       `json:"from" format:"date-time"`
	To     string       `json:"to" format:"date-time"`
	Anchor string       `json:"anchor" format:"date-time"`
	Items  []Occurrence `json:"items" nullable:"false" doc:"At most 1,000, in order"`
}

// Occurrence is one rotation.
type Occurrence struct {
	At        *string `json:"at" format:"date-time" doc:"null: the calendars allow no moment within two years; it is overdue then, and the last"`
	MovedFrom *string `json:"moved_from" format:"date-time" doc:"When the schedule wants it; null: at at"`
	Why       []Block `json:"why" nullable:"false" doc:"What moved it, at most 100"`
}

// Block is a time at which nothing may rotate.
type Block struct {
	CalendarID string  `json:"calendar_id"`
	Summary    string  `json:"summary"`
	From       string  `json:"from" format:"date-time"`
	To         *string `json:"to" format:"date-time" doc:"null: never"`
}

// previewed is a preview with what it is of.
type previewed struct {
	window      policy.Window
	occurrences []calendar.Occurrence
}

func (r resource) registerPreview() {
	httpapi.Register(r.api, httpapi.Operation{ID: "previewRotationPolicy", Method: http.MethodGet, Path: "/rotation-policies/{id}/preview", Tag: noun,
		Summary:     "See when keys would rotate by themselves",
		Description: "By the schedule and the calendars that hold where the policy is attached, the inherited ones too, and what a freeze or a window moves. Each rotation is the anchor of the next. Without a schedule there are no items.",
		Access:      httpapi.Needs(permission.PoliciesRead)},
		func(ctx context.Context, c call.Call, in *previewInput) (previewed, error) {
			p, err := policyID(in.ID)
			if err != nil {
				return previewed{}, err
			}
			w := in.window(r.now())
			found, err := r.service.Preview(ctx, c, p, w)
			return previewed{window: w, occurrences: found}, err
		},
		func(p previewed) httpapi.Answer[Preview] {
			out := Preview{From: httpapi.TimeText(p.window.From), To: httpapi.TimeText(p.window.To), Anchor: httpapi.TimeText(p.window.Anchor), Items: []Occurrence{}}
			for _, o := range p.occurrences {
				out.Items = append(out.Items, occurrenceOf(o))
			}
			return httpapi.Answer[Preview]{Body: out}
		})
}

func (in *previewInput) window(now time.Time) policy.Window {
	w := policy.Window{Anchor: in.Anchor, From: in.From, To: in.To}
	if w.From.IsZero() {
		w.From = now
	}
	if w.To.IsZero() {
		w.To = w.From.AddDate(1, 0, 0)
	}
	if w.Anchor.IsZero() {
		w.Anchor = w.From
	}
	for _, t := range []*time.Time{&w.Anchor, &w.From, &w.To} {
		*t = t.UTC().Truncate(time.Second)
	}
	return w
}

func occurrenceOf(o calendar.Occurrence) Occurrence {
	out := Occurrence{At: httpapi.Time(o.At), MovedFrom: httpapi.Time(o.MovedFrom), Why: []Block{}}
	for _, b := range o.Why {
		out.Why = append(out.Why, Block{CalendarID: string(b.Calendar), Summary: b.Summary, From: httpapi.TimeText(b.From), To: httpapi.Time(b.To)})
	}
	return out
}
