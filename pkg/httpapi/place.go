package httpapi

import (
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
)

// PlaceFilter is embedded in the input of a list by place.
type PlaceFilter struct {
	NodeID    string `query:"node_id" maxLength:"100" doc:"The node and all below it, companies included"`
	CompanyID string `query:"company_id" maxLength:"100" doc:"Only this company"`
	Direct    bool   `query:"direct" doc:"With node_id: only the node itself"`
}

// Where reads the filter. other is the value of a place filter that the list has beside these, "" when it is not given. An ID
// that is none is the ID of nothing.
func (f PlaceFilter) Where(other string) (listing.Where, error) {
	if err := AtMostOne("node_id", f.NodeID, "company_id", f.CompanyID, "service_account_id", other); err != nil {
		return listing.Where{}, err
	}
	if f.Direct && f.NodeID == "" {
		return listing.Where{}, fault.InvalidField("/direct", "goes with node_id only")
	}
	w := listing.Where{Node: id.Node(f.NodeID), Direct: f.Direct, Company: id.Company(f.CompanyID)}
	if _, ok := id.Parse[id.Node](f.NodeID); f.NodeID != "" && !ok {
		return listing.Where{}, fault.Missing("node")
	}
	if _, ok := id.Parse[id.Company](f.CompanyID); f.CompanyID != "" && !ok {
		return listing.Where{}, fault.Missing("company")
	}
	return w, nil
}

// AtMostOne takes names of filters, each with its value, and refuses the second and further ones that are given.
func AtMostOne(namesAndValues ...string) error {
	var bad []fault.Field
	first := ""
	for i := 0; i+1 < len(namesAndValues); i += 2 {
		name, value := namesAndValues[i], namesAndValues[i+1]
		switch {
		case value == "":
		case first == "":
			first = name
		default:
			bad = append(bad, fault.Field{Pointer: "/" + name, Detail: "cannot be combined with " + first})
		}
	}
	return fault.InvalidFields(bad)
}
