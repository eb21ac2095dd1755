package rekeytest

import (
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
)

// Recordings is the registration of a small API at a node: its scopes are recordings:read, :export (of kind execute), :write and
// :delete.
func Recordings(at place.Place) protectedapi.New {
	return protectedapi.New{Node: at.Node(), Name: "Recordings", Slug: "recordings", GatewayID: "r1e2c3o4r5", Stage: "prod",
		Scopes: []protectedapi.Scope{{Name: "recordings:read", Kind: permission.Read, Description: "List and play recordings."},
			{Name: "recordings:export", Kind: permission.Execute}, {Name: "recordings:write", Kind: permission.Write}, {Name: "recordings:delete", Kind: permission.Delete}},
		Routes: []protectedapi.Route{{Method: "GET", Path: "/recordings", Scope: "recordings:read"}, {Method: "GET", Path: "/recordings/{id}", Scope: "recordings:read"},
			{Method: "DELETE", Path: "/recordings/{id}", Scope: "recordings:delete"}, {Method: "ANY", Path: "/recordings/{id}/export", Scope: "recordings:export"},
			{Method: "POST", Path: "/recordings/{id}/export", Scope: "recordings:write"}, {Method: "ANY", Path: "$default", Scope: "recordings:write"}}}
}

// Register registers an API, as the owner.
func (w *World) Register(in protectedapi.New) protectedapi.API {
	w.T.Helper()
	a, err := w.APIs.Register(w.Ctx, w.As(w.Owner), in)
	require.NoError(w.T, err)
	return a
}

// Patch changes a registration, as the owner.
func (w *World) Patch(a protectedapi.API, in protectedapi.Patch) protectedapi.API {
	w.T.Helper()
	out, err := w.APIs.Patch(w.Ctx, w.As(w.Owner), a.ID, in)
	require.NoError(w.T, err)
	return out
}
