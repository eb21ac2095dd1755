package keys

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/precondition"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
)

// Key is a key as the API shows it.
type Key struct {
	ID                  string                        `json:"id" doc:"The public half of what its holder sends; it never changes" example:"key_7Hq2cXv9LmN4pQr8sT1w"`
	Type                string                        `json:"type" enum:"secret,keypair"`
	Owner               Owner                         `json:"owner"`
	NodeID              string                        `json:"node_id"`
	CompanyID           *string                       `json:"company_id"`
	Name                string                        `json:"name"`
	Prefix              string                        `json:"prefix" doc:"The first 8 characters of the secret" example:"rka_7Hq2"`
	Generation          int64                         `json:"generation" doc:"Counts the key's secrets, from 1"`
	Scopes              []string                      `json:"scopes" nullable:"false"`
	Status              string                        `json:"status" enum:"active,expiring,inactive,expired,revoked"`
	ExpiresAt           *string                       `json:"expires_at" format:"date-time" doc:"null: never"`
	LastUsedAt          *string                       `json:"last_used_at" format:"date-time" doc:"Right within a minute"`
	Ended               httpapi.Nullable[Ended]       `json:"ended"`
	Revocable           bool                          `json:"revocable"`
	NotRevocableBecause *string                       `json:"not_revocable_because"`
	RotationID          *string                       `json:"rotation_id" doc:"The last rotation that it took part in"`
	SupersededBy        *string                       `json:"superseded_by" doc:"ID of the key that takes over, or took over"`
	Locked              bool                          `json:"locked" doc:"Whether its account is locked"`
	RetiredSeen         httpapi.Nullable[RetiredSeen] `json:"retired_seen" doc:"Who still sends a retired secret of it"`
	Apps                []App                         `json:"apps" nullable:"false"`
	NextRotationAt      *string                       `json:"next_rotation_at" format:"date-time"`
	CreatedBy           string                        `json:"created_by" doc:"ID of who issued it"`
	CreatedByName       string                        `json:"created_by_name"`
	CreatedAt           string                        `json:"created_at" format:"date-time"`
	UpdatedAt           string                        `json:"updated_at" format:"date-time"`
}

// Owner is whose key it is.
type Owner struct {
	ID   string `json:"id"`
	Type string `json:"type" enum:"service_account,gateway"`
	Name string `json:"name"`
}

// Ended says when, by whom and why the key's life ended.
type Ended struct {
	At     string `json:"at" format:"date-time"`
	By     string `json:"by" doc:"ID of the actor, holder or system"`
	Reason string `json:"reason" doc:"key_compromise, superseded, affiliation_changed, cessation, unspecified or expired"`
}

// RetiredSeen says who still sends a retired secret.
type RetiredSeen struct {
	LastAt  string   `json:"last_at" format:"date-time"`
	Sources []Source `json:"sources" nullable:"false"`
}

// Source is a sender of a retired secret.
type Source struct {
	SourceIP  string `json:"source_ip" doc:"IPv4 address, or /64 network of an IPv6 address"`
	UserAgent string `json:"user_agent"`
	LastAt    string `json:"last_at" format:"date-time"`
	Count     int64  `json:"count" doc:"Minutes in which it was seen"`
}

// App is an app that is configured with the key.
type App struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Status string `json:"status"`
}

// Warning is a request of the last 30 days that would become a 403.
type Warning struct {
	Code   string `json:"code" enum:"would_be_forbidden"`
	API    string `json:"api" doc:"rekey, or the ID that API Gateway gave to a protected API"`
	Method string `json:"method"`
	Route  string `json:"route"`
	Scope  string `json:"scope" doc:"That would be missing"`
	Count  int64  `json:"count" doc:"At least so often in the last 30 days"`
	LastAt string `json:"last_at" format:"date-time"`
}

// Of shows a key as it is at a moment.
func Of(v apikey.View, now time.Time) Key {
	k := v.Key
	out := Key{ID: string(k.ID), Type: "secret", Owner: Owner{ID: string(k.AccountID), Type: "service_account", Name: v.Account.Name},
		NodeID: string(k.Place.Node()), CompanyID: httpapi.Text(k.Place.Company), Name: k.Name, Prefix: k.Prefix(),
		Generation: k.Generation, Scopes: []string{}, Status: string(v.State.Status), ExpiresAt: httpapi.Time(k.ExpiresAt),
		LastUsedAt: httpapi.Time(k.LastUsedAt), Revocable: v.State.Live(), Locked: v.Account.Status == serviceaccount.Active && v.Account.Lock.Locked(now),
		Apps: []App{}, CreatedBy: k.CreatedBy, CreatedByName: k.CreatedByName, CreatedAt: httpapi.TimeText(k.CreatedAt),
		UpdatedAt: httpapi.TimeText(k.UpdatedAt), RotationID: httpapi.Text(k.RotationID), SupersededBy: httpapi.Text(k.SupersededBy)}
	if v.State.Live() {
		out.NextRotationAt = httpapi.Time(k.RotateAt)
	}
	if k.Kind == token.KeypairToken {
		out.Type = "keypair"
	}
	for _, p := range k.Scopes.List() {
		out.Scopes = append(out.Scopes, string(p))
	}
	if e := v.State.Ended; e != nil {
		out.Ended.Value = &Ended{At: httpapi.TimeText(e.At), By: e.By, Reason: e.Reason}
		because := "The key is " + string(v.State.Status) + "; that is final."
		out.NotRevocableBecause = &because
	}
	if len(v.Sightings) > 0 {
		seen := RetiredSeen{LastAt: httpapi.TimeText(v.Sightings[0].LastAt)}
		for _, s := range v.Sightings {
			seen.Sources = append(seen.Sources, Source{SourceIP: s.Source, UserAgent: s.UserAgent, LastAt: httpapi.TimeText(s.LastAt), Count: s.Count})
		}
		out.RetiredSeen.Value = &seen
	}
	return out
}

func tag(k apikey.Key) string { return precondition.Tag(string(k.ID), k.Version) }
