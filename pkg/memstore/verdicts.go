package memstore

import (
	"bytes"
	"context"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/session"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// Credential reads one credential by its ID; nil when it is not there.
func (s *Store) Credential(ctx context.Context, cred string) (*verify.Credential, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	return s.credential(cred), nil
}

func (s *Store) credential(cred string) *verify.Credential {
	if k, ok := s.keys[id.Key(cred)]; ok {
		return ofKey(k)
	}
	if t, ok := s.tokens[id.PAT(cred)]; ok {
		c := ofToken(t.Token)
		c.Lock = t.lock
		return c
	}
	if s, ok := s.sessions[id.Session(cred)]; ok {
		c := ofSession(s.Session)
		c.Lock = s.lock
		return c
	}
	return nil
}

func ofKey(k apikey.Key) *verify.Credential {
	return &verify.Credential{ID: string(k.ID), Kind: k.Kind, Place: k.Place, Name: k.Name,
		Names: verify.Names{Principal: string(k.AccountID), Company: k.Place.Company, Role: k.RoleHint},
		MAC:   bytes.Clone(k.MAC), Pepper: k.PepperVersion, Generation: k.Generation, UsedGen: k.UsedGen,
		IssueEpoch: k.IssueEpoch, EventSeq: k.EventSeq, Scopes: k.Scopes, Off: k.Off, Revoked: k.Ended != nil,
		ExpiresAt: k.ExpiresAt, NoticeFrom: k.NoticeFrom, LastUsedAt: k.LastUsedAt,
		SupersededBy: successor(k), Rotation: k.RotationID != ""}
}

// successor is the key that took over; whoever may hold a leaked secret is not told.
func successor(k apikey.Key) string {
	if k.Ended != nil && k.Ended.Reason == apikey.ReasonCompromise {
		return ""
	}
	return string(k.SupersededBy)
}

func ofToken(t accesstoken.Token) *verify.Credential {
	return &verify.Credential{ID: string(t.ID), Kind: token.PersonalAccessToken, Place: t.Place, Name: t.Name,
		Names: verify.Names{Principal: string(t.EmployeeID), Company: t.Place.Company},
		MAC:   bytes.Clone(t.MAC), Pepper: t.PepperVersion, Generation: t.Generation, UsedGen: t.UsedGen, IssueEpoch: t.Epoch,
		EventSeq: t.EventSeq, Scopes: t.Scopes, Revoked: !t.RevokedAt.IsZero(), ExpiresAt: t.ExpiresAt,
		LastUsedAt: t.LastUsedAt}
}

func ofSession(s session.Session) *verify.Credential {
	c := &verify.Credential{ID: string(s.ID), Kind: token.Session, Place: s.Place,
		Names: verify.Names{Principal: string(s.EmployeeID), Company: s.Place.Company, Parent: s.Parent},
		MAC:   bytes.Clone(s.MAC), Pepper: s.PepperVersion, Generation: session.Generation, IssueEpoch: s.Epoch,
		CompanyEpoch: s.CompanyEpoch, EventSeq: s.EventSeq, Scopes: s.Scopes, Revoked: !s.RevokedAt.IsZero(), ExpiresAt: s.EndsAt(), Until: s.ExpiresAt, LastUsedAt: s.LastUsedAt}
	if !s.LastUsedAt.IsZero() {
		c.UsedGen = session.Generation
	}
	if s.Parent == "" {
		c.Scopes = permission.All
	}
	return c
}

// Snapshot reads all that one verdict depends on.
func (s *Store) Snapshot(ctx context.Context, cred string, names verify.Names) (verify.Snapshot, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return verify.Snapshot{}, err
	}
	var out verify.Snapshot
	if cred != "" {
		out.Credential = s.credential(cred)
	}
	out.Principal = s.principal(names.Principal)
	if names.Company != "" {
		c, ok := s.companies[names.Company]
		out.Suspended, out.CompanyEpoch = !ok || c.Status != company.Active, c.SessionEpoch
	}
	out.Role = s.customRole(names.Role)
	if names.Parent != "" {
		out.Parent = s.credential(names.Parent)
	}
	if names.Address != "" {
		out.Source = s.sources[names.Owner][names.Address]
	}
	if a, ok := s.registered(names.Guard); ok {
		g := a.Guard()
		out.Guard = &g
	}
	return out, nil
}

func (s *Store) principal(p string) *verify.Principal {
	if a, ok := s.accounts[id.ServiceAccount(p)]; ok {
		return &verify.Principal{ID: p, Name: a.Name, Place: a.Place, RoleID: a.RoleID,
			Active: a.Status == serviceaccount.Active, IssueEpoch: a.IssueEpoch, EventSeq: a.EventSeq, Lock: a.Lock,
			LockPolicy: a.LockPolicy}
	}
	if e, ok := s.employees[id.Employee(p)]; ok {
		return &verify.Principal{ID: p, Name: e.Name(), Place: e.Place, RoleID: e.RoleID,
			Active: e.Status == employee.Active, IssueEpoch: e.SessionEpoch, TokenEpoch: e.TokenEpoch, EventSeq: e.EventSeq}
	}
	return nil
}

// Retired tells whether one of the digests is of a secret that the credential once had.
func (s *Store) Retired(ctx context.Context, cred string, macs [][]byte) (bool, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return false, err
	}
	for _, mac := range macs {
		if s.retired[cred][string(mac)] {
			return true, nil
		}
	}
	return false, nil
}
