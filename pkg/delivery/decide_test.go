package delivery_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/place"
)

var (
	node    = place.Place{Path: "node_0Root0000000000000A1/node_1South000000000000B2"}
	company = place.Place{Path: node.Path, Company: "co_2Acme0000000000000C3"}
)

func plan() delivery.Plan {
	return delivery.Plan{Target: delivery.Target{Type: delivery.SecretsManager, SecretID: "acme/exporter"}, Place: company, Key: newKey,
		Version: delivery.VersionID("rot_00000000000000000001", 1), Replaces: []id.Key{oldKey}, From: "first"}
}

func TestNext_GoesThroughTheSequence_B5(t *testing.T) {
	p := plan()
	tag := p.Place.ID()
	for _, c := range []struct {
		facts     delivery.Facts
		activated bool
		want      delivery.Step
	}{
		{delivery.Facts{Current: "first", Holds: oldKey}, false, delivery.Put},
		{delivery.Facts{Current: "first"}, false, delivery.Put},
		{delivery.Facts{Current: "first", Pending: "first"}, false, delivery.Put}, // left over from an earlier rotation
		{delivery.Facts{Current: "first", Holds: otherKey, Ended: true}, false, delivery.Put},
		{delivery.Facts{Current: "first", Pending: "lost", PendingHolds: oldKey}, false, delivery.Put}, // of a change of the old key that was not made
		{delivery.Facts{Current: "first", Pending: "dead", PendingHolds: otherKey, Abandoned: true}, false, delivery.Put},
		{delivery.Facts{Current: "first", Pending: p.Version, Put: true}, false, delivery.Activate},
		{delivery.Facts{Current: "first", Pending: p.Version, Put: true}, true, delivery.Move},
		{delivery.Facts{Current: "first", Put: true}, true, delivery.Move}, // somebody took the label off
		{delivery.Facts{Current: p.Version, Pending: p.Version, Put: true, Holds: newKey}, true, delivery.Clear},
		{delivery.Facts{Current: p.Version, Put: true, Holds: newKey}, true, delivery.Done},
		{delivery.Facts{Current: p.Version, Put: true, Holds: newKey}, false, delivery.Activate}, // first version of a secret
	} {
		c.facts.Tag = tag
		got, err := delivery.Next(p, c.facts, c.activated)
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%+v", c.facts)
	}
}

func TestNext_SomebodyElsesChangeStopsBeforeAnythingOfTheOldKey_B5(t *testing.T) {
	p := plan()
	for _, activated := range []bool{false, true} {
		for reason, facts := range map[delivery.Reason][]delivery.Facts{
			delivery.Untagged: {{Current: "first", Tag: "co_2Other000000000000C3"}, {Current: p.Version, Put: true, Tag: " "}},
			delivery.Changed: {{Current: "theirs"}, {Current: "theirs", Put: true}, {}, {Current: "first", Put: true, Stale: true},
				{Current: "first", Put: true, Wrong: true}, {Current: p.Version, Put: true, Wrong: true}},
			delivery.Occupied: {{Current: "first", Holds: otherKey}, {Current: "first", Holds: otherKey, Put: true}},
			delivery.Taken: {{Current: "first", Pending: "theirs"}, {Current: "first", Pending: "theirs", Put: true},
				{Current: "first", Pending: "theirs", PendingHolds: otherKey}},
		} {
			for _, f := range facts {
				if f.Tag == "" {
					f.Tag = p.Place.ID()
				}
				step, err := delivery.Next(p, f, activated)
				require.Empty(t, step)
				var r *delivery.Refusal
				require.ErrorAs(t, err, &r, "%+v", f)
				require.Equal(t, reason, r.Reason, "%+v", f)
				require.NotEmpty(t, r.Detail)
			}
		}
	}
	_, err := delivery.Next(p, delivery.Facts{Tag: p.Place.ID(), Current: "first"}, true)
	require.ErrorContains(t, err, "lost: Version "+p.Version)
}

func TestNext_OnlyThePlaceOfTheKeyItselfIsItsPlace_B5(t *testing.T) {
	p := plan()
	for at, tags := range map[place.Place][]string{company: {string(node.Node()), "node_0Root0000000000000A1", ""}, node: {string(company.Company), "node_0Root0000000000000A1", ""}, {}: {""}} {
		p.Place = at
		for _, tag := range tags {
			_, err := delivery.Next(p, delivery.Facts{Tag: tag, Current: "first"}, false)
			require.ErrorContains(t, err, "delivery: untagged")
		}
	}
	p.Place = node
	step, err := delivery.Next(p, delivery.Facts{Tag: string(node.Node()), Current: "first"}, false)
	require.NoError(t, err)
	require.Equal(t, delivery.Put, step)
}
