package dynamo

import (
	"fmt"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/session"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// verdictCredential decodes a key, a personal access token or a session as a verdict needs it.
func verdictCredential(r *reader) (*verify.Credential, error) {
	c := &verify.Credential{
		ID: r.string(attrPK), Place: r.place(), Name: r.string(attrName), MAC: r.bytes(attrMAC), Pepper: r.string(attrPepper),
		Generation: r.int(attrGeneration), UsedGen: r.int(attrUsedGen), IssueEpoch: r.int(attrIssueEpoch), EventSeq: r.int(attrEventSeq),
		Scopes: r.permissions(attrScopes), Off: r.bool(attrOff), ExpiresAt: r.time(attrExpiresAt), NoticeFrom: r.time(attrNoticeFrom),
		LastUsedAt: r.time(attrLastUsedAt), SupersededBy: r.string(attrSuperseded), Rotation: r.string(attrRotation) != "",
	}
	switch typ := r.string(attrType); typ {
	case typeKey:
		c.Kind = r.kind()
		c.Names = verify.Names{Principal: r.string(attrAccount), Company: c.Place.Company, Role: id.Role(r.string(attrRoleHint))}
		if c.Revoked = !r.time(attrEndedAt).IsZero(); c.Revoked && r.string(attrEndReason) == apikey.ReasonCompromise {
			c.SupersededBy = "" // whoever may hold a leaked secret is not told what took over
		}
	case typeToken:
		c.Kind = token.PersonalAccessToken
		c.Names = verify.Names{Principal: r.string(attrEmployee), Company: c.Place.Company}
		c.Revoked = !r.time(attrRevokedAt).IsZero()
		c.Lock = r.counter()
	case typeSession:
		c.Kind = token.Session
		c.Names = verify.Names{Principal: r.string(attrEmployee), Company: c.Place.Company, Parent: r.string(attrParent)}
		c.Revoked = !r.time(attrRevokedAt).IsZero()
		c.Until, c.CompanyEpoch = c.ExpiresAt, r.int(attrCompanyEpoch)
		c.ExpiresAt = session.EndsAt(r.time(attrCreatedAt), c.LastUsedAt, c.ExpiresAt)
		if c.Names.Parent == "" {
			c.Scopes = permission.All
		}
		c.Lock = r.counter()
	default:
		return nil, fmt.Errorf("%s is a %q, not a credential", c.ID, typ)
	}
	return c, r.err
}

// addToSnapshot puts an item where it belongs in a snapshot. parent is the ID of the credential that is read as one, if any.
func addToSnapshot(s *verify.Snapshot, r *reader, parent string) (err error) {
	switch typ := r.string(attrType); typ {
	case typeKey, typeToken, typeSession:
		into := &s.Credential
		if parent != "" && r.string(attrPK) == parent {
			into = &s.Parent
		}
		*into, err = verdictCredential(r)
	case typeAccount:
		s.Principal = &verify.Principal{ID: r.string(attrPK), Name: r.string(attrName), Place: r.place(), RoleID: r.roleID(),
			Active: r.string(attrStatus) == string(serviceaccount.Active), IssueEpoch: r.int(attrIssueEpoch), EventSeq: r.int(attrEventSeq),
			Lock: r.counter(), LockPolicy: r.lockPolicy()}
	case typeEmployee:
		e := employee.Employee{FirstName: r.string(attrFirstName), LastName: r.string(attrLastName)}
		s.Principal = &verify.Principal{ID: r.string(attrPK), Name: e.Name(), Place: r.place(), RoleID: r.roleID(),
			Active: r.string(attrStatus) == string(employee.Active), IssueEpoch: r.int(attrSessionEpoch), TokenEpoch: r.int(attrTokenEpoch), EventSeq: r.int(attrEventSeq)}
	case typeCompany:
		s.Suspended, s.CompanyEpoch = r.string(attrStatus) != string(company.Active), r.int(attrSessionEpoch)
	case typeRole:
		s.Role, err = readRole(r)
	case typeGuard:
		s.Guard = &protectedapi.Guard{Place: r.place(), ContextOnly: r.bool(attrContextOnly), Routes: r.string(attrRoutes)}
	case typeSource:
		s.Source, err = readSource(r)
	default:
		return fmt.Errorf("a verdict depends on no %q", typ)
	}
	if err != nil {
		return err
	}
	return r.err
}

// roleID is a copy: a Verifier remembers it, and is not to keep the whole answer alive with it.
func (r *reader) roleID() id.Role { return id.Role(strings.Clone(r.string(attrRoleID))) }

func (r *reader) kind() token.Kind {
	s := r.string(attrKind)
	if len(s) != 1 {
		r.fail(attrKind)
		return 0
	}
	return token.Kind(s[0])
}

// counter decodes the lock's counter of an account, a token or a source.
func (r *reader) counter() lock.Counter {
	return lock.Counter{Epoch: r.int(attrLockEpoch), Failures: int(r.int(attrFailures)), Threshold: int(r.int(attrThreshold)),
		WindowEndsAt: r.time(attrWindowEnds), LockEndsAt: r.time(attrLockEnds), LastFailureAt: r.time(attrLastFailure),
		Announced: r.bool(attrAnnounced)}
}

// lockPolicy decodes the numbers of an account's lock; the zero Policy where it has none of its own.
func (r *reader) lockPolicy() lock.Policy {
	return lock.Policy{Threshold: int(r.int(attrLockThreshold)), Window: time.Duration(r.int(attrLockWindow)) * time.Second,
		Duration: time.Duration(r.int(attrLockDuration)) * time.Second, Strict: r.bool(attrLockStrict)}
}

func decodeSource(it item) (lock.Source, error) { return readSource(&reader{it: it}) }

func readSource(r *reader) (lock.Source, error) {
	return lock.Source{Address: afterHash(r.string(attrSK)), UserAgent: r.string(attrUserAgent), KeyID: r.string(attrKeyID),
		AuthenticatedAt: r.time(attrAuthenticatedAt), Counter: r.counter()}, r.err
}

func decodeSighting(it item) (apikey.Sighting, error) {
	r := reader{it: it}
	return apikey.Sighting{Source: afterHash(r.string(attrSK)), UserAgent: r.string(attrUserAgent), LastAt: r.time(attrLastAt),
		Count: r.int(attrSeenCount), RecordedAt: r.time(attrRecordedAt)}, r.err
}

func readRole(r *reader) (*role.Role, error) {
	out := &role.Role{ID: id.Role(r.string(attrPK)), Name: r.string(attrName),
		Permissions: r.permissions(attrPermissions), OwnAccount: r.permissions(attrOwnAccount), NodeID: id.Node(r.string(attrParent)),
		CreatedAt: r.time(attrCreatedAt), UpdatedAt: r.time(attrUpdatedAt), Version: r.int(attrVersion)}
	for _, w := range words(r.string(attrAssignableTo)) {
		out.AssignableTo = append(out.AssignableTo, role.Assignee(w))
	}
	return out, r.err
}
