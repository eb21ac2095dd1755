package serviceaccounts

import (
	"strconv"
	"time"

	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/period"
	"github.com/rekey-dev/rekey/pkg/precondition"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// Account is a service account as the API shows it.
type Account struct {
	ID             string                 `json:"id" example:"sa_7Hq2cXv9LmN4pQr8sT1w"`
	NodeID         string                 `json:"node_id"`
	CompanyID      *string                `json:"company_id"`
	Name           string                 `json:"name"`
	Description    string                 `json:"description"`
	RoleID         string                 `json:"role_id"`
	Status         string                 `json:"status" enum:"active,revoked"`
	Contacts       []string               `json:"contacts" nullable:"false"`
	ExternalID     string                 `json:"external_id"`
	Tags           []string               `json:"tags" nullable:"false"`
	Locked         bool                   `json:"locked"`
	Lock           httpapi.Nullable[Lock] `json:"lock"`
	KeyCount       int                    `json:"key_count" doc:"Keys that are not revoked"`
	LastUsedAt     *string                `json:"last_used_at" format:"date-time" doc:"Of any of its keys; right within a minute"`
	NextRotationAt *string                `json:"next_rotation_at" format:"date-time"`
	CreatedBy      string                 `json:"created_by" doc:"ID of who created it"`
	CreatedByName  string                 `json:"created_by_name"`
	CreatedAt      string                 `json:"created_at" format:"date-time"`
	UpdatedAt      string                 `json:"updated_at" format:"date-time"`
}

// Lock says since when, until when and why an account is locked, and for whom.
type Lock struct {
	Since     string   `json:"since" format:"date-time"`
	Until     string   `json:"until" format:"date-time"`
	Reason    string   `json:"reason"`
	Failures  int      `json:"failures"`
	Effect    string   `json:"effect" enum:"untrusted_sources,all" doc:"untrusted_sources: a source that authenticated within 30 days is refused only for its own wrong secrets"`
	Sources   []Source `json:"sources" nullable:"false" doc:"Who sent wrong secrets, most first, at most 10"`
	ClearedBy []string `json:"cleared_by" nullable:"false" doc:"What ends the lock"`
}

// Source is a sender of wrong secrets.
type Source struct {
	SourceIP  string `json:"source_ip" doc:"IPv4 address, or /64 network of an IPv6 address"`
	UserAgent string `json:"user_agent"`
	KeyID     string `json:"key_id" doc:"The key that it sent them for, last"`
	Failures  int    `json:"failures"`
	LastAt    string `json:"last_at" format:"date-time"`
}

// Of shows an account as it is at a moment.
func Of(v serviceaccount.View, now time.Time) Account {
	a := v.Account
	out := Account{ID: string(a.ID), NodeID: string(a.Place.Node()), CompanyID: httpapi.Text(a.Place.Company), Name: a.Name,
		Description: a.Description, RoleID: string(a.RoleID), Status: string(a.Status), Contacts: list(a.Contacts),
		ExternalID: a.ExternalID, Tags: list(a.Tags), KeyCount: a.KeyCount, LastUsedAt: httpapi.Time(v.LastUsedAt),
		CreatedBy: a.CreatedBy, CreatedByName: a.CreatedByName, CreatedAt: httpapi.TimeText(a.CreatedAt),
		UpdatedAt: httpapi.TimeText(a.UpdatedAt)}
	if a.Status == serviceaccount.Active && a.Lock.Locked(now) {
		out.Locked = true
		out.Lock.Value = lockOf(a.Lock, a.LockPolicy.Or(lock.Default), v.Sources)
	}
	return out
}

func lockOf(c lock.Counter, p lock.Policy, sources []lock.Source) *Lock {
	effect := "untrusted_sources"
	if p.Strict {
		effect = "all"
	}
	l := Lock{Since: httpapi.TimeText(c.LastFailureAt), Until: httpapi.TimeText(c.LockEndsAt), Failures: c.Failures,
		Reason: strconv.Itoa(c.Failures) + " wrong secrets within " + period.Format(p.Window), Effect: effect,
		Sources: []Source{}, ClearedBy: []string{"regenerate", "unlock", "time"}}
	for _, s := range sources {
		l.Sources = append(l.Sources, Source{SourceIP: s.Address, UserAgent: s.UserAgent, KeyID: s.KeyID,
			Failures: s.Counter.Failures, LastAt: httpapi.TimeText(s.Counter.LastFailureAt)})
	}
	return &l
}

func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func tag(a serviceaccount.Account) string { return precondition.Tag(string(a.ID), a.Version) }
