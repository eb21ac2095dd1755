package dynamo

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/mailbox"
	"github.com/rekey-dev/rekey/pkg/onetime"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
)

// readUnit is what one strongly consistent read unit reads.
const readUnit = 4096

var (
	longest  = strings.Repeat("\U0001F511", 100) // a name of 100 characters, 400 bytes
	deepest  = place.Place{Path: strings.Repeat("node_00000000000000000001/", place.MaxDepth-1) + "node_00000000000000000001", Company: "co_00000000000000000001"}
	sometime = time.Date(2031, 1, 2, 3, 4, 5, 6e6, time.UTC)
	somebody = "emp_00000000000000000001"
)

// biggestKey has every member set and as long as it can be; its scopes are all of the catalogue, which no key has wildcards beside.
func biggestKey() apikey.Key {
	return apikey.Key{ID: "key_00000000000000000001", Kind: token.ServiceAccountKey, AccountID: "sa_00000000000000000001", Place: deepest,
		Name: longest, Scopes: permission.All.WithoutWildcards(), RoleHint: role.Integration, Generation: 1e6, IssueEpoch: 1e6, MAC: make([]byte, token.MACLength),
		PepperVersion: "v1000", Off: true, Ended: &serviceaccount.Ended{At: sometime, By: somebody, Reason: apikey.ReasonAffiliation},
		ExpiresAt: sometime, NoticeFrom: sometime, LastUsedAt: sometime, UsedGen: 1e6, RetiredSeenAt: sometime, CreatedBy: somebody,
		CreatedByName: longest + " " + longest, CreatedAt: sometime, RegeneratedAt: sometime, UpdatedAt: sometime, Version: 1e6, EventSeq: 1e9,
		RotationID: "rot_00000000000000000001", SupersededBy: "key_00000000000000000002", DueAt: sometime}
}

func TestItems_ThatAVerdictReadsAreOneReadUnitEach_P4(t *testing.T) {
	k := biggestKey()
	require.LessOrEqual(t, Size(encodeKey(k)), 2800)

	k.Name, k.CreatedByName, k.Ended, k.Place.Path = "production, blue", "Ada Lovelace", nil, strings.Join(strings.Split(deepest.Path, "/")[:4], "/")
	scopes := len(k.Scopes.Text())
	require.Less(t, Size(encodeKey(k))-scopes+80*41, readUnit, "80 scopes of 40 characters")
	require.Less(t, Size(encodeKey(k))-scopes+5*20, 1024, "a typical key is one write unit")

	a := serviceaccount.Account{ID: k.AccountID, Place: deepest, Name: longest, Description: strings.Repeat(longest, 5), RoleID: role.Integration,
		Status: serviceaccount.Revoked, ExternalID: longest, CreatedBy: somebody, CreatedByName: longest + " " + longest, CreatedAt: sometime,
		UpdatedAt: sometime, Version: 1e6, EventSeq: 1e9, IssueEpoch: 1e6, KeysVersion: 1e9, KeyCount: 1e6,
		LockPolicy: lock.Policy{Threshold: 100, Window: 24 * time.Hour, Duration: 24 * time.Hour, Strict: true}}
	for range 10 {
		a.Tags = append(a.Tags, strings.Repeat("t", 40))
		a.Contacts = append(a.Contacts, strings.Repeat("c", 254))
	}
	const counter = 200 // what a lock's counter adds
	require.Less(t, Size(encodeAccount(a))+counter, 3072)
	require.Less(t, Size(encodeAbout(a)), 5120)

	require.Less(t, Size(encodeToken(accesstoken.Token{ID: "pat_00000000000000000001", EmployeeID: "emp_00000000000000000001", Place: deepest, Name: longest,
		Scopes: permission.All, Generation: 1e6, MAC: k.MAC, PepperVersion: "v1000", ExpiresAt: sometime, RevokedAt: sometime, LastUsedAt: sometime,
		UsedGen: 1e6, CreatedAt: sometime, Version: 1e6, EventSeq: 1e9}))+counter, readUnit)
	require.Less(t, Size(encodeEmployee(employee.Employee{ID: "emp_00000000000000000001", Email: strings.Repeat("e", 254), FirstName: longest, LastName: longest,
		Place: deepest, RoleID: role.Owner, Status: employee.Active, Passkeys: slices.Repeat([]id.Credential{"cred_00000000000000000001"}, employee.MaxPasskeys),
		SessionEpoch: 1e6, Code: "inv_00000000000000000001", CodeSentAt: sometime, CodeExpiresAt: sometime,
		LastSignInAt: sometime, InvitedFrom: "node_00000000000000000001", CreatedBy: somebody, CreatedByName: longest + " " + longest, CreatedAt: sometime, UpdatedAt: sometime, Version: 1e6,
		Revision: 1e6, EventSeq: 1e9})), 3072, "with room for what else a verdict needs")
	require.Less(t, Size(encodeCode(onetime.Code{ID: "inv_00000000000000000001", Employee: "emp_00000000000000000001", Purpose: onetime.Invitation, MAC: k.MAC,
		PepperVersion: "v1000", Tries: 5, ExpiresAt: sometime, CreatedAt: sometime, UsedAt: sometime})), 500)
	require.Less(t, Size(encodeLetters(lettersKey("ada@example.com"), employee.Letters{Sent: slices.Repeat([]time.Time{sometime}, employee.MaxLetters),
		Revision: 1e9})), 300)
	require.Less(t, Size(encodeCompany(company.Company{ID: deepest.Company, Name: longest, Place: deepest, PackageID: strings.Repeat("p", 40), Status: company.Suspended,
		Owner: company.Owner{FirstName: longest, LastName: longest, Email: strings.Repeat("e", 254)}, ExternalID: longest, Tags: a.Tags,
		CreatedBy: somebody, CreatedByName: longest + " " + longest, CreatedAt: sometime, UpdatedAt: sometime, Version: 1e6, EventSeq: 1e9})), readUnit)
}

func TestItems_OfMailAreOneWriteUnitEach(t *testing.T) {
	l := mailbox.Line{Event: "evt_00000000000000000001", Address: strings.Repeat("a", 254), Kind: mailbox.RotationDue, Account: "sa_00000000000000000001",
		Key: "key_00000000000000000001", Rotation: "rot_00000000000000000001", Urgent: true, Note: strings.Repeat("n", mailbox.MaxNote), AddedAt: sometime}
	r := mailbox.RecipientOf(l.Address)
	require.Less(t, Size(encodeLine(r, l)), 1024)
	require.Less(t, Size(encodeTold(l.Event, slices.Repeat([]string{string(r)}, 20), sometime)), 1024)
}

func TestItems_OfTheLargestRoleAreOneReadUnitEach(t *testing.T) {
	r := role.Custom{Role: role.Role{ID: "role_00000000000000000001", Name: longest, Description: strings.Repeat(longest, 5), Permissions: permission.All,
		AssignableTo: []role.Assignee{role.Employee, role.ServiceAccount}, NodeID: deepest.Node(), CreatedAt: sometime, UpdatedAt: sometime, Version: 1e6},
		Place: place.Place{Path: deepest.Path}, CreatedBy: somebody, CreatedByName: longest + " " + longest, EventSeq: 1e9}
	size := Size(encodeRole(r))
	require.Less(t, size, readUnit)
	t.Logf("%d bytes with every permission of the catalogue", size)
	full := size - len(permission.All.Text()) + 80*41 - 1
	require.Less(t, full, readUnit, "with 80 of 40 characters")
	require.Less(t, Size(encodeRoleAbout(r)), readUnit)
}

func TestItems_OfTheLargestRegistrationAreBounded_P4(t *testing.T) {
	slug := strings.Repeat("s", protectedapi.MaxSlug)
	a := protectedapi.API{ID: "api_00000000000000000001", Name: longest, Slug: slug, Place: place.Place{Path: deepest.Path}, Mode: protectedapi.ContextOnly,
		GatewayID: strings.Repeat("g", protectedapi.MaxGatewayID), Stage: strings.Repeat("s", protectedapi.MaxStage), CreatedBy: somebody,
		CreatedByName: longest + " " + longest, CreatedAt: sometime, UpdatedAt: sometime, Version: 1e6, EventSeq: 1e9}
	for i := range protectedapi.MaxScopes {
		a.Scopes = append(a.Scopes, protectedapi.Scope{Name: permission.Permission(fmt.Sprintf("%s:word%05d", slug, i)), Kind: permission.Execute,
			Description: strings.Repeat("\U0001F511", protectedapi.MaxDescription)})
	}
	for {
		more := a
		more.Routes = append(slices.Clone(a.Routes), protectedapi.Route{Method: "GET", Path: fmt.Sprint("/", len(a.Routes)), Scope: a.Scopes[0].Name})
		if len(more.Guard().Routes) > protectedapi.MaxRouteTable {
			break
		}
		a = more
	}
	require.Less(t, Size(encodeGuard(a)), readUnit, "+1 read unit of a verdict on another API")
	require.Less(t, Size(encodeSlug(a, false)), readUnit)
	it, err := encodeProtectedAPI(a)
	require.NoError(t, err)
	require.Less(t, Size(it), 64*1024)
	t.Logf("guard %d, slug %d, registration %d bytes", Size(encodeGuard(a)), Size(encodeSlug(a, false)), Size(it))
}

func TestItems_OfPoliciesAreTwoReadUnitsAtMost(t *testing.T) {
	var notify []string
	var calendars []id.Calendar
	for range 10 {
		notify, calendars = append(notify, strings.Repeat("n", 254)), append(calendars, "cal_00000000000000000001")
	}
	year, yes := 3650*24*time.Hour, true
	p := policy.Policy{ID: "pol_00000000000000000001", AttachedTo: policy.Attachment{Kind: policy.ServiceAccount, ID: "sa_00000000000000000001"},
		Place: deepest, CreatedBy: somebody, CreatedByName: longest + " " + longest, CreatedAt: sometime, UpdatedAt: sometime, Version: 1e6, EventSeq: 1e9,
		Fields: policy.Fields{Schedule: &calendar.Schedule{Rule: strings.Repeat("R", policy.MaxRule), Zone: strings.Repeat("Z", policy.MaxZone)},
			Overlap: &year, Notice: slices.Repeat([]time.Duration{year}, 10), QuietFor: &year, RetireOnQuiet: &yes, ExtendOnce: &year, AllowRotateSelf: &yes,
			DefaultLifetime: &year, MaxLifetime: &year, ReportOnly: &yes, Lock: &lock.Policy{Threshold: 100, Window: year, Duration: year, Strict: true},
			Calendars: &calendars, Notify: &notify, DeliverTo: &policy.Delivery{Type: policy.SecretsManager, SecretID: strings.Repeat("s", policy.MaxSecretID),
				JSONKey: strings.Repeat("k", policy.MaxJSONKey), RoleARN: strings.Repeat("a", policy.MaxRoleARN)}}}
	it, err := encodePolicy(p)
	require.NoError(t, err)
	require.Less(t, Size(it), 2*readUnit)
	p.Fields.Notify, p.Fields.DeliverTo, p.CreatedByName = &[]string{"keys@example.com"}, nil, "Ada Lovelace"
	it, err = encodePolicy(p)
	require.NoError(t, err)
	require.Less(t, Size(it), readUnit, "a common one is one")
}

func TestItems_OfTheLargestCalendarStayUnderTheirBounds_B9(t *testing.T) {
	c := calendar.Calendar{ID: "cal_00000000000000000001", Place: deepest, Name: longest, Kind: calendar.Window, Zone: strings.Repeat("z", 64), EventCount: calendar.MaxEvents,
		CreatedBy: somebody, CreatedByName: longest + " " + longest, CreatedAt: sometime, UpdatedAt: sometime, Version: 1e6, EventSeq: 1e9}
	require.Less(t, Size(encodeCalendar(c)), 2048)
	early, late := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2199, 12, 31, 23, 59, 59, 0, time.UTC)
	for _, e := range []calendar.Event{
		{UID: strings.Repeat(`"`, calendar.MaxUID), Summary: strings.Repeat(`\`, calendar.MaxSummary), Start: early, End: late, AllDay: true, Rule: strings.Repeat("R", 500), Zone: strings.Repeat("z", 64)},
		{UID: "x", Summary: strings.Repeat("\U0001F511", calendar.MaxSummary), Start: early, End: late, AllDay: true},
		{UID: "x", Start: early, End: late, AllDay: true},
		{UID: "x", Start: early, End: late, Rule: "FREQ=DAILY", Except: slices.Repeat([]time.Time{early}, calendar.MaxExcept)},
	} {
		c.Events = nil
		for size := e.Size(); size <= calendar.MaxSize && len(c.Events) < calendar.MaxEvents; size += e.Size() {
			c.Events = append(c.Events, e)
		}
		require.Less(t, Size(encodeEvents(c)), 300_000)
		require.LessOrEqual(t, Size(encodeEvents(c)), e.Size()*len(c.Events)+200, "Event.Size is at least what it takes")
	}
}
