// Package nodes serves the MSP's tree:
//
//	GET, POST          /nodes
//	GET, PATCH, DELETE /nodes/{id}
package nodes

import (
	"context"
	"net/http"

	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/precondition"
	"github.com/rekey-dev/rekey/pkg/tree"
)

// Service is what can be done with nodes.
type Service interface {
	List(ctx context.Context, c call.Call, f tree.Filter, after string, limit int) ([]node.Node, string, error)
	Create(ctx context.Context, c call.Call, in tree.New) (node.Node, error)
	Get(ctx context.Context, c call.Call, n id.Node) (node.Node, error)
	Rename(ctx context.Context, c call.Call, n id.Node, to *string) (node.Node, error)
	Delete(ctx context.Context, c call.Call, n id.Node) error
}

// Register adds the operations.
func Register(a *httpapi.API, s Service) {
	r := resource{api: a, service: s}
	r.registerCollection()
	r.registerSingle()
}

type resource struct {
	api     *httpapi.API
	service Service
}

const noun = "nodes"

// Node is a node as the API shows it.
type Node struct {
	ID            string  `json:"id" example:"node_7Hq2cXv9LmN4pQr8sT1w"`
	ParentID      *string `json:"parent_id" doc:"null for the root"`
	Name          string  `json:"name"`
	Depth         int     `json:"depth" doc:"1 for the root, at most 8"`
	Path          string  `json:"path" doc:"IDs of the nodes from the root to this one, joined with /"`
	CreatedBy     string  `json:"created_by" doc:"ID of who created it"`
	CreatedByName string  `json:"created_by_name"`
	CreatedAt     string  `json:"created_at" format:"date-time"`
	UpdatedAt     string  `json:"updated_at" format:"date-time"`
}

func of(n node.Node) Node {
	return Node{ID: string(n.ID), ParentID: httpapi.Text(n.ParentID), Name: n.Name, Depth: n.Depth(), Path: n.Place.Path, CreatedBy: n.CreatedBy,
		CreatedByName: n.CreatedByName, CreatedAt: httpapi.TimeText(n.CreatedAt), UpdatedAt: httpapi.TimeText(n.UpdatedAt)}
}

func one(n node.Node) httpapi.Answer[Node] {
	return httpapi.Answer[Node]{Body: of(n), ETag: precondition.Tag(string(n.ID), n.Version)}
}

func nodeID(text string) (id.Node, error) {
	if n, ok := id.Parse[id.Node](text); ok {
		return n, nil
	}
	return "", fault.Missing("node")
}

type createInput struct {
	Body struct {
		ParentID string `json:"parent_id" minLength:"1" maxLength:"100" doc:"The node below which it is to stand, at most 7 deep"`
		Name     string `json:"name" minLength:"1" maxLength:"100" doc:"Unique among its siblings, without regard to case"`
	}
}

type listInput struct {
	httpapi.Paging
	ParentID string `query:"parent_id" maxLength:"100" doc:"Only nodes directly below it"`
	Q        string `query:"q" maxLength:"100" doc:"Case-insensitive prefix of the name, or an exact ID"`
}

// page is a page of nodes together with its sealed cursor.
type page struct {
	nodes []node.Node
	next  string
}

func (r resource) registerCollection() {
	httpapi.Register(r.api, httpapi.Operation{ID: "listNodes", Method: http.MethodGet, Path: "/nodes", Tag: noun,
		Summary: "List nodes, by name", Description: "The caller's own and all below it, or those directly below one. At most one filter.",
		Access: httpapi.Needs(permission.NodesRead), Errors: []fault.Kind{fault.NotFound}},
		func(ctx context.Context, c call.Call, in *listInput) (out page, err error) {
			f := tree.Filter{Query: in.Q}
			if err := httpapi.AtMostOne("parent_id", in.ParentID, "q", in.Q); err != nil {
				return page{}, err
			}
			if in.ParentID != "" {
				if f.Parent, err = nodeID(in.ParentID); err != nil {
					return page{}, err
				}
			}
			after, err := r.api.After(ctx, in.Cursor)
			if err != nil {
				return page{}, err
			}
			found, position, err := r.service.List(ctx, c, f, after, in.Limit)
			if err != nil {
				return page{}, err
			}
			next, err := r.api.Next(ctx, position)
			return page{found, next}, err
		},
		func(p page) httpapi.Answer[httpapi.List[Node]] {
			items := make([]Node, 0, len(p.nodes))
			for _, n := range p.nodes {
				items = append(items, of(n))
			}
			return httpapi.Answer[httpapi.List[Node]]{Body: httpapi.NewList(items, p.next)}
		})

	httpapi.Register(r.api, httpapi.Operation{ID: "createNode", Method: http.MethodPost, Path: "/nodes", Tag: noun,
		Summary: "Create a node below another", Description: "The tree is at most 8 deep. A node never moves.",
		Access: httpapi.Needs(permission.NodesCreate), Status: http.StatusCreated, Tagged: true, Errors: []fault.Kind{fault.Conflict, fault.NotFound}},
		func(ctx context.Context, c call.Call, in *createInput) (node.Node, error) {
			parent, err := nodeID(in.Body.ParentID)
			if err != nil {
				return node.Node{}, err
			}
			return r.service.Create(ctx, c, tree.New{Parent: parent, Name: in.Body.Name})
		}, one)
}

type nodeInput struct {
	ID string `path:"id" maxLength:"100"`
}

type patchInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body struct {
		Name *string `json:"name,omitempty" minLength:"1" maxLength:"100"`
	}
}

func (r resource) registerSingle() {
	httpapi.Register(r.api, httpapi.Operation{ID: "getNode", Method: http.MethodGet, Path: "/nodes/{id}", Tag: noun,
		Summary: "Get a node", Access: httpapi.Needs(permission.NodesRead), Tagged: true},
		func(ctx context.Context, c call.Call, in *nodeInput) (node.Node, error) {
			n, err := nodeID(in.ID)
			if err != nil {
				return node.Node{}, err
			}
			return r.service.Get(ctx, c, n)
		}, one)

	httpapi.Register(r.api, httpapi.Operation{ID: "patchNode", Method: http.MethodPatch, Path: "/nodes/{id}", Tag: noun,
		Summary: "Rename a node", Access: httpapi.Needs(permission.NodesUpdate), Tagged: true, Match: true, MergePatch: true,
		Errors: []fault.Kind{fault.Conflict}},
		func(ctx context.Context, c call.Call, in *patchInput) (node.Node, error) {
			n, err := nodeID(in.ID)
			if err != nil {
				return node.Node{}, err
			}
			return r.service.Rename(ctx, c, n, in.Body.Name)
		}, one)

	httpapi.Register(r.api, httpapi.Operation{ID: "deleteNode", Method: http.MethodDelete, Path: "/nodes/{id}", Tag: noun,
		Summary:     "Delete an empty node",
		Description: "Refused while anything stands there; blocked_by says what is left. Its name can be used again; its audit records stay.",
		Access:      httpapi.Needs(permission.NodesDelete), Status: http.StatusNoContent, Match: true, Errors: []fault.Kind{fault.InUse, fault.Conflict}},
		func(ctx context.Context, c call.Call, in *nodeInput) (httpapi.None, error) {
			n, err := nodeID(in.ID)
			if err != nil {
				return httpapi.None{}, err
			}
			return httpapi.None{}, r.service.Delete(ctx, c, n)
		},
		func(httpapi.None) httpapi.Answer[httpapi.None] { return httpapi.Answer[httpapi.None]{} })
}
