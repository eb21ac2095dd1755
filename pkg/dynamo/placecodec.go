package dynamo

import (
	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/msp"
	"github.com/rekey-dev/rekey/pkg/node"
)

func encodeMSP(m msp.MSP) item {
	it := newItem(mspKey(), typeMSP)
	it.string(attrMSP, string(m.ID))
	it.string(attrName, m.Name)
	it.string(attrRootNode, string(m.RootNode))
	it.string(attrEmployee, string(m.Owner))
	it.time(attrCreatedAt, m.CreatedAt)
	it.int(attrVersion, m.Version)
	it.int(attrEventSeq, m.EventSeq)
	return it
}

func decodeMSP(it item) (msp.MSP, error) {
	r := reader{it: it}
	return msp.MSP{ID: id.MSP(r.string(attrMSP)), Name: r.string(attrName), RootNode: id.Node(r.string(attrRootNode)),
		Owner:     id.Employee(r.string(attrEmployee)),
		CreatedAt: r.time(attrCreatedAt), Version: r.int(attrVersion), EventSeq: r.int(attrEventSeq)}, r.err
}

func encodeNode(n node.Node) item {
	it := newItem(nodeKey(n.ID), typeNode)
	it.string(attrParent, string(n.ParentID))
	it.string(attrName, n.Name)
	it.place(n.Place)
	it.string(attrCreatedBy, n.CreatedBy)
	it.string(attrCreatedByName, n.CreatedByName)
	it.time(attrCreatedAt, n.CreatedAt)
	it.time(attrUpdatedAt, n.UpdatedAt)
	it.int(attrVersion, n.Version)
	it.int(attrEventSeq, n.EventSeq)
	return it
}

func decodeNode(it item) (node.Node, error) {
	r := reader{it: it}
	return node.Node{ID: id.Node(r.string(attrPK)), ParentID: id.Node(r.string(attrParent)), Name: r.string(attrName), Place: r.place(),
		CreatedBy: r.string(attrCreatedBy), CreatedByName: r.string(attrCreatedByName),
		CreatedAt: r.time(attrCreatedAt), UpdatedAt: r.time(attrUpdatedAt), Version: r.int(attrVersion), EventSeq: r.int(attrEventSeq)}, r.err
}

func encodeCompany(c company.Company) item {
	it := newItem(companyKey(c.ID), typeCompany)
	it.string(attrName, c.Name)
	it.place(c.Place)
	it.string(attrPackage, c.PackageID)
	it.string(attrStatus, string(c.Status))
	it.string(attrFirstName, c.Owner.FirstName)
	it.string(attrLastName, c.Owner.LastName)
	it.string(attrEmail, c.Owner.Email)
	it.string(attrExternalID, c.ExternalID)
	it.list(attrTags, c.Tags)
	it.int(attrSessionEpoch, c.SessionEpoch)
	it.string(attrCreatedBy, c.CreatedBy)
	it.string(attrCreatedByName, c.CreatedByName)
	it.time(attrCreatedAt, c.CreatedAt)
	it.time(attrUpdatedAt, c.UpdatedAt)
	it.int(attrVersion, c.Version)
	it.int(attrEventSeq, c.EventSeq)
	return it
}

func decodeCompany(it item) (company.Company, error) {
	r := reader{it: it}
	return company.Company{ID: id.Company(r.string(attrPK)), Name: r.string(attrName), Place: r.place(), PackageID: r.string(attrPackage),
		Status: company.Status(r.string(attrStatus)), Owner: company.Owner{FirstName: r.string(attrFirstName), LastName: r.string(attrLastName),
			Email: r.string(attrEmail)}, ExternalID: r.string(attrExternalID), Tags: r.list(attrTags), SessionEpoch: r.int(attrSessionEpoch),
		CreatedBy: r.string(attrCreatedBy), CreatedByName: r.string(attrCreatedByName), CreatedAt: r.time(attrCreatedAt),
		UpdatedAt: r.time(attrUpdatedAt), Version: r.int(attrVersion), EventSeq: r.int(attrEventSeq)}, r.err
}

func encodeToken(t accesstoken.Token) item {
	it := newItem(tokenKey(t.ID), typeToken)
	it.string(attrEmployee, string(t.EmployeeID))
	it.place(t.Place)
	it.string(attrName, t.Name)
	it.string(attrScopes, t.Scopes.Text())
	it.int(attrIssueEpoch, t.Epoch)
	it.bool(attrEnrols, t.Enrols)
	it.int(attrSessionEpoch, t.EnrolEpoch)
	it.int(attrGeneration, t.Generation)
	it.bytes(attrMAC, t.MAC)
	it.string(attrPepper, t.PepperVersion)
	it.time(attrExpiresAt, t.ExpiresAt)
	it.time(attrRevokedAt, t.RevokedAt)
	it.time(attrLastUsedAt, t.LastUsedAt)
	it.int(attrUsedGen, t.UsedGen)
	it.time(attrCreatedAt, t.CreatedAt)
	it.int(attrVersion, t.Version)
	it.int(attrEventSeq, t.EventSeq)
	return it
}

func decodeToken(it item) (accesstoken.Token, error) {
	r := reader{it: it}
	return accesstoken.Token{ID: id.PAT(r.string(attrPK)), EmployeeID: id.Employee(r.string(attrEmployee)), Place: r.place(),
		Name: r.string(attrName), Scopes: r.permissions(attrScopes), Epoch: r.int(attrIssueEpoch), Enrols: r.bool(attrEnrols), EnrolEpoch: r.int(attrSessionEpoch), Generation: r.int(attrGeneration), MAC: r.bytes(attrMAC),
		PepperVersion: r.string(attrPepper), ExpiresAt: r.time(attrExpiresAt), RevokedAt: r.time(attrRevokedAt),
		LastUsedAt: r.time(attrLastUsedAt), UsedGen: r.int(attrUsedGen), CreatedAt: r.time(attrCreatedAt),
		Version: r.int(attrVersion), EventSeq: r.int(attrEventSeq)}, r.err
}
