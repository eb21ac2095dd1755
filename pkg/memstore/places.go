package memstore

import (
	"context"

	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/msp"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/role"
)

func (t *transaction) createMSP(w msp.Create) string {
	if t.msp != nil {
		return "there is an MSP"
	}
	t.touch("msp")
	t.then(func() { m := w.MSP; t.msp = &m })
	return ""
}

func (t *transaction) createNode(w node.Create) string {
	if _, ok := t.nodes[w.Node.ID]; ok {
		return "the node exists"
	}
	if w.Node.ParentID != "" {
		if !t.there(string(w.Node.ParentID)) {
			return "the node's parent is not there"
		}
		if !t.claim("nodes", string(w.Node.ParentID), w.Node.Name) {
			return "a sibling has the node's name"
		}
	}
	t.touch("node " + string(w.Node.ID))
	t.then(func() { t.nodes[w.Node.ID] = w.Node })
	return ""
}

func (t *transaction) createCompany(w company.Create) string {
	if _, ok := t.companies[w.Company.ID]; ok {
		return "the company exists"
	}
	if !t.there(string(w.Company.Place.Node())) {
		return "the company's node is not there"
	}
	if !t.claim("companies", string(w.Company.Place.Node()), w.Company.Name) {
		return "a sibling has the company's name"
	}
	t.touch("company " + string(w.Company.ID))
	t.then(func() { t.companies[w.Company.ID] = w.Company })
	return ""
}

// there tells whether a node or a company exists, or is created by the same Set.
func (t *transaction) there(place string) bool {
	_, isNode := t.nodes[id.Node(place)]
	_, isCompany := t.companies[id.Company(place)]
	return isNode || isCompany || t.made[place]
}

// assignable tells whether a role exists: a built-in one always does.
func (t *transaction) assignable(r id.Role) bool {
	_, custom := t.roles[r]
	return custom || role.IsBuiltIn(r)
}

// MSP returns the provider.
func (s *Store) MSP(ctx context.Context) (msp.MSP, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return msp.MSP{}, err
	}
	if s.msp == nil {
		return msp.MSP{}, fault.Missing("MSP")
	}
	return *s.msp, nil
}

// Node returns a node.
func (s *Store) Node(ctx context.Context, n id.Node) (node.Node, error) {
	return one(ctx, s, s.nodes, n, "node")
}

// Company returns a company.
func (s *Store) Company(ctx context.Context, c id.Company) (company.Company, error) {
	return one(ctx, s, s.companies, c, "company")
}

// one finds one object; its absence is a fault of kind not_found.
func one[K comparable, V any](ctx context.Context, s *Store, m map[K]V, k K, what string) (V, error) {
	defer s.mu.Unlock()
	var zero V
	if err := s.begin(ctx); err != nil {
		return zero, err
	}
	v, ok := m[k]
	if !ok {
		return zero, fault.Missing(what)
	}
	return v, nil
}
