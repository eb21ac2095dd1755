package memstore

import (
	"context"

	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/msp"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
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

// sameNode tells whether a node is as it was read; "" when it is.
func (t *transaction) sameNode(old node.Node) string {
	n, ok := t.nodes[old.ID]
	switch {
	case !ok:
		return "the node is not there"
	case n.Version != old.Version:
		return "the node's version is another"
	case n.EventSeq != old.EventSeq:
		return "the node's event seq is another"
	}
	t.touch("node " + string(n.ID))
	return ""
}

func (t *transaction) updateNode(w node.Update) string {
	if reason := t.sameNode(w.Old); reason != "" {
		return reason
	}
	n := t.nodes[w.Old.ID]
	if w.New.Place != n.Place || w.New.ParentID != n.ParentID || w.New.ID != n.ID {
		panic("memstore: an update of what never changes of a node: " + string(n.ID))
	}
	if n.ParentID != "" && fold.Name(w.New.Name) != fold.Name(n.Name) {
		if !t.claim("nodes", string(n.ParentID), w.New.Name) {
			return "a sibling has the node's new name"
		}
		t.release("nodes", string(n.ParentID), n.Name)
	}
	t.then(func() { t.nodes[n.ID] = w.New })
	return ""
}

func (t *transaction) deleteNode(w node.Delete) string {
	if reason := t.sameNode(w.Old); reason != "" {
		return reason
	}
	n := t.nodes[w.Old.ID]
	if t.contents(string(n.ID)) != (node.Contents{}) {
		return "something stands there"
	}
	if n.ParentID != "" {
		t.release("nodes", string(n.ParentID), n.Name)
	}
	t.then(func() { delete(t.nodes, n.ID) })
	return ""
}

// contents counts what stands directly at a place.
func (s *Store) contents(at string) (c node.Contents) {
	for _, n := range s.nodes {
		c.Nodes += truth(string(n.ParentID) == at)
	}
	for _, co := range s.companies {
		c.Companies += truth(string(co.Place.Node()) == at && co.Status != company.Deleted)
	}
	for _, e := range s.employees {
		c.Employees += truth(string(e.Place.Node()) == at && e.Status != employee.Deleted)
	}
	for _, a := range s.accounts {
		c.ServiceAccounts += truth(a.Place.ID() == at && a.Status != serviceaccount.Deleted)
		c.ActiveAccounts += truth(string(a.Place.Company) == at && a.Status == serviceaccount.Active)
	}
	for _, one := range s.calendars {
		c.Calendars += truth(one.Place.ID() == at)
	}
	if _, ok := s.policies[at]; ok {
		c.Policies++
	}
	for _, r := range s.roles {
		c.Roles += truth(r.Place.ID() == at)
	}
	for _, a := range s.apis {
		c.ProtectedAPIs += truth(a.Place.ID() == at)
	}
	c.Keys = s.keySums[id.Company(at)]
	return c
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Contents counts what stands directly at a node or a company.
func (s *Store) Contents(ctx context.Context, at string) (node.Contents, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return node.Contents{}, err
	}
	_, isNode := s.nodes[id.Node(at)]
	_, isCompany := s.companies[id.Company(at)]
	if !isNode && !isCompany {
		return node.Contents{}, fault.Missing("place")
	}
	return s.contents(at), nil
}

// Nodes returns those that are there.
func (s *Store) Nodes(ctx context.Context, ids []id.Node) ([]node.Node, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var out []node.Node
	for _, n := range ids {
		if found, ok := s.nodes[n]; ok {
			out = append(out, found)
		}
	}
	return out, nil
}

// there tells whether a node or a company exists, or is created by the same Set.
func (t *transaction) there(place string) bool {
	_, isNode := t.nodes[id.Node(place)]
	c, isCompany := t.companies[id.Company(place)]
	return isNode || isCompany && c.Status != company.Deleted || t.made[place]
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
