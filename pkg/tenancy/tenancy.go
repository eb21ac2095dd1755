// Package tenancy is the use cases of managed companies: the tenants under the nodes of the MSP's tree.
//
// A company that is suspended is so for the next request of each of its keys: every verdict reads the company. What is new in a
// company (an account, a key) is committed on condition that the company is active, and what deletes one on condition that no
// account of it is, so that of two such calls at the same moment one wins and the other is told.
package tenancy

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/billing"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/name"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/usage"
)

// Store is what the use cases of companies read and write. Reads are strongly consistent; an object that is not there, and a
// company that was deleted, is a fault of kind not_found; a store that does not answer is a fault of kind unavailable.
type Store interface {
	listing.Places
	// Companies reads those that are there, in any order.
	Companies(ctx context.Context, ids []id.Company) ([]company.Company, error)
	// Accounts reads those that are there, in any order.
	Accounts(ctx context.Context, ids []id.ServiceAccount) ([]serviceaccount.Account, error)
	// Contents counts what stands directly at a node or a company.
	Contents(ctx context.Context, place string) (node.Contents, error)
	// Headcount counts the provider's employees, invited ones too.
	Headcount(ctx context.Context) (employee.Headcount, error)
	usage.Store
	List(ctx context.Context, q listing.Query) (listing.Page, error)
	// Deny puts the record of a refusal; that it is there already is no error.
	Deny(ctx context.Context, event audit.Event) error
	// Commit carries out a change or none of it: see change.Set.
	Commit(ctx context.Context, s change.Set) error
	// Remember puts the record of a call that had nothing to change; *change.Repeated when an equal call was first.
	Remember(ctx context.Context, r idempotency.Record) error
}

// Service is the use cases of companies. Its fields are set once; it may be used by many goroutines.
type Service struct {
	Store    Store
	Packages billing.Catalogue
	Now      func() time.Time
	Rand     io.Reader
}

func object(p place.Place) authz.Object { return authz.Object{Place: p, What: "company"} }

// Get returns a company that the caller may see.
func (s *Service) Get(ctx context.Context, c call.Call, co id.Company) (company.Company, error) {
	found, err := s.Store.Company(ctx, co)
	if err == nil {
		err = c.Caller.Check(permission.CompaniesRead, object(found.Place))
	}
	if err != nil {
		return company.Company{}, err
	}
	return found, nil
}

// Filter narrows a list of companies; at most one of its members is set.
type Filter struct {
	Status  company.Status
	Package string
	Query   string // case-insensitive prefix of the name, or an exact ID
}

func (f Filter) keeps(c company.Company) bool {
	return (f.Status == "" || c.Status == f.Status) && (f.Package == "" || c.PackageID == f.Package)
}

// List lists the companies of a place by name; next is "" at the end. A caller whose place is a company sees its own. A page may
// come back short, or empty, although there are more.
func (s *Service) List(ctx context.Context, c call.Call, w listing.Where, f Filter, after string, limit int) (companies []company.Company, next string, err error) {
	if err := c.Caller.Holds(permission.CompaniesRead); err != nil {
		return nil, "", err
	}
	at, err := w.Resolve(ctx, s.Store, c.Caller)
	if err != nil {
		return nil, "", err
	}
	if c.Caller.Type == audit.ServiceAccount && c.Caller.OwnAccount.Has(permission.CompaniesRead) {
		return nil, "", nil // no company is an account
	}
	if co, ok := id.Parse[id.Company](f.Query); ok {
		found, err := s.Store.Companies(ctx, []id.Company{co})
		return slices.DeleteFunc(found, func(c company.Company) bool {
			return !at.Covers(c.Place) || w.Direct && c.Place.Node() != at.Node()
		}), "", err
	}
	q := listing.Query{Noun: listing.Companies, Place: at.ID(), Direct: w.Direct, Prefix: f.Query, After: after}
	return listing.Collect(ctx, s.Store.List, q, limit, func(rows listing.Page) ([]company.Company, error) {
		if len(rows.Rows) == 0 {
			return nil, nil
		}
		ids := make([]id.Company, len(rows.Rows))
		for i, r := range rows.Rows {
			ids[i] = id.Company(r.ID)
		}
		found, err := s.Store.Companies(ctx, ids)
		slices.SortFunc(found, func(a, b company.Company) int { return slices.Index(ids, a.ID) - slices.Index(ids, b.ID) })
		return slices.DeleteFunc(found, func(c company.Company) bool { return !f.keeps(c) }), err
	})
}

// New is the input of creating a company.
type New struct {
	Node       id.Node
	Name       string
	PackageID  string
	Owner      company.Owner
	ExternalID string
	Tags       []string
}

// Create makes a company under a node. Atomic: the company, its name's uniqueness among the node's companies, the node's count,
// the audit record and the idempotency record.
func (s *Service) Create(ctx context.Context, c call.Call, in New) (company.Company, error) {
	return change.Retry(func() (company.Company, error) {
		under, err := s.Store.Node(ctx, in.Node)
		if err != nil {
			return company.Company{}, err
		}
		now, op, own := s.Now(), id.New[id.Operation](s.Rand), id.New[id.Company](s.Rand)
		made := company.Company{ID: own, Name: in.Name, Place: place.Place{Path: under.Place.Path, Company: own}, PackageID: in.PackageID,
			Status: company.Active, Owner: in.Owner, ExternalID: in.ExternalID, Tags: in.Tags, CreatedBy: c.Caller.ID,
			CreatedByName: c.Caller.Name, CreatedAt: now, UpdatedAt: now, Version: 1, EventSeq: 1}
		e := s.event(c, op, now, audit.CompanyCreated, made)
		e.Details = map[string]any{"package_id": made.PackageID}
		refused := e
		refused.Place, refused.Target, refused.Details = under.Place, audit.Target{Type: "node", ID: string(under.ID), Name: under.Name}, nil
		if err := c.Caller.Check(permission.CompaniesCreate, authz.Object{Place: under.Place, What: "node"}); err != nil {
			return company.Company{}, c.Deny(ctx, s.Store.Deny, refused, err)
		}
		if err := c.Idempotency.Check(); err != nil {
			return company.Company{}, err
		}
		if made, err = s.check(made, true); err != nil {
			return company.Company{}, err
		}
		record, err := c.Idempotency.Record(op, now, made, nil)
		if err != nil {
			return company.Company{}, err
		}
		err = s.commit(ctx, c, change.Set{Operation: op, At: now, Idempotency: record, Events: []audit.Event{e},
			Writes: []change.Write{company.Create{Company: made}}})
		var lost *change.Lost
		if errors.As(err, &lost) {
			if _, ok := lost.Write.(company.Create); ok {
				if _, gone := s.Store.Node(ctx, in.Node); gone != nil {
					return company.Company{}, gone
				}
				return company.Company{}, nameTaken()
			}
		}
		return made, err
	})
}

func nameTaken() error {
	return fault.New(fault.Conflict, "A company with this name is at the node already. Names are compared without regard to case.")
}

// check says what is wrong with what people set of a company, and returns it with its owner's address in the form in which it is
// kept. A package that the company has keeps it, although the file may not have it any more.
func (s *Service) check(c company.Company, newPackage bool) (company.Company, error) {
	var bad []fault.Field
	add := func(pointer, problem string) {
		if problem != "" {
			bad = append(bad, fault.Field{Pointer: pointer, Detail: problem})
		}
	}
	add("/name", name.Check(c.Name))
	if newPackage && !s.Packages.Has(c.PackageID) {
		add("/package_id", "is no package; GET /v1/packages lists them")
	}
	add("/account_owner/first_name", name.Check(c.Owner.FirstName))
	add("/account_owner/last_name", name.Check(c.Owner.LastName))
	address, problem := name.CanonicalEmail(c.Owner.Email)
	add("/account_owner/email", problem)
	c.Owner.Email = address
	add("/external_id", name.CheckExternalID(c.ExternalID))
	if len(c.Tags) > name.MaxTags {
		add("/tags", "has more than 10 entries")
	}
	for i, t := range c.Tags {
		pointer := "/tags/" + strconv.Itoa(i)
		add(pointer, name.CheckTag(t))
		if slices.Contains(c.Tags[:i], t) {
			add(pointer, "is listed twice")
		}
	}
	return c, fault.InvalidFields(bad)
}

// begin is the first part of every change of a company: it is there, the caller may, the call is new, the company is as the
// caller saw it. A refusal is recorded.
func (s *Service) begin(ctx context.Context, c call.Call, co id.Company, p permission.Permission, action string) (company.Company, error) {
	found, err := s.Store.Company(ctx, co)
	if err != nil {
		return company.Company{}, err
	}
	if err := c.Caller.Check(p, object(found.Place)); err != nil {
		return company.Company{}, c.Deny(ctx, s.Store.Deny, s.event(c, "", s.Now(), action, found), err)
	}
	if err := c.Idempotency.Check(); err != nil {
		return company.Company{}, err
	}
	return found, c.Match.Check(string(found.ID), found.Version)
}

func (s *Service) event(c call.Call, op id.Operation, now time.Time, action string, co company.Company) audit.Event {
	e := c.Event(id.New[id.Event](s.Rand), op, now)
	e.Action, e.Place, e.Seq = action, co.Place, co.EventSeq
	e.Target = audit.Target{Type: "company", ID: string(co.ID), Name: co.Name}
	return e
}

// commit carries out a change; an equal call that was first is answered with its answer.
func (s *Service) commit(ctx context.Context, c call.Call, set change.Set) error {
	return change.Settle(s.Store.Commit(ctx, set), c.Idempotency)
}
