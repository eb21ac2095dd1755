package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// A node is made, holds an account that its own list finds, and is deleted when that is gone.
func TestNodes_AreATreeThatIsDeletedFromItsLeaves_W1(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	root := p.get("/me").expect(http.StatusOK).Text("node_id")
	name := newName(t)
	made := p.post("/nodes", client.Object{"parent_id": root, "name": name}).expect(http.StatusCreated)
	n := made.Text("id")
	require.EqualValues(t, 2, made["depth"])
	p.post("/nodes", client.Object{"parent_id": root, "name": name}).problem(http.StatusConflict, "conflict")
	child := p.post("/nodes", client.Object{"parent_id": n, "name": "Child"}).expect(http.StatusCreated).Text("id")
	account := p.post("/service-accounts", client.Object{"name": newName(t), "node_id": child}).expect(http.StatusCreated).Text("id")

	require.Equal(t, []string{child}, field(p.all("/nodes?parent_id="+n), "id"))
	require.Equal(t, []string{n}, field(p.all("/nodes?q="+n), "id"))
	require.Equal(t, []string{account}, field(p.all("/service-accounts?node_id="+n), "id"), "access at a node covers its subtree")
	p.delete("/nodes/"+n).problem(http.StatusConflict, "in_use")
	left := p.delete("/nodes/"+child).problem(http.StatusConflict, "in_use")
	require.Equal(t, "service_account", left["blocked_by"].([]any)[0].(map[string]any)["type"])

	p.patch("/nodes/"+child, client.Object{"name": "Renamed"}).expect(http.StatusOK)
	require.Equal(t, "Renamed", p.get("/nodes/" + child).expect(http.StatusOK)["name"])
	p.delete("/service-accounts/" + account).expect(http.StatusNoContent)
	p.delete("/nodes/" + child).expect(http.StatusNoContent)
	p.delete("/nodes/" + n).expect(http.StatusNoContent)
	p.get("/nodes/"+n).problem(http.StatusNotFound, "not_found")
	require.Len(t, p.records(n, "node.deleted"), 1)
}
