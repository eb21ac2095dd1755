package dynamo

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
)

func drawID[T id.Kind](t *rapid.T) T {
	return id.FromBody[T](rapid.StringOfN(rapid.RuneFrom([]rune("0a")), id.Length, id.Length, id.Length).Draw(t, "id"))
}

func drawPlace(t *rapid.T) string {
	if rapid.Bool().Draw(t, "company") {
		return string(drawID[id.Company](t))
	}
	return string(drawID[id.Node](t))
}

func drawTime(t *rapid.T) time.Time {
	return time.UnixMilli(rapid.Int64Range(1, 9_999_999_999_999).Draw(t, "ms"))
}

// drawText is a folded name or an address: anything but control characters, "#" and what looks like another key included.
func drawText(t *rapid.T) string {
	return rapid.StringOf(rapid.RuneFrom([]rune("a#é0 /:_"))).Draw(t, "text")
}

func drawNoun(t *rapid.T) listing.Noun {
	return rapid.SampledFrom([]listing.Noun{listing.ServiceAccounts, listing.Keys, listing.Policies, listing.Nodes, listing.Companies}).Draw(t, "noun")
}

// built is a key with the table that it is for and all that it was made of.
type built struct {
	table, from string
	key         key
}

// builders are every function of keys.go that makes a key.
var builders = []func(t *rapid.T) built{
	func(t *rapid.T) built { k := drawID[id.Key](t); return built{"I", fmt.Sprint("key", k), keyKey(k)} },
	func(t *rapid.T) built { p := drawID[id.PAT](t); return built{"I", fmt.Sprint("token", p), tokenKey(p)} },
	func(t *rapid.T) built {
		a := drawID[id.ServiceAccount](t)
		return built{"I", fmt.Sprint("account", a), accountKey(a)}
	},
	func(t *rapid.T) built {
		e := drawID[id.Employee](t)
		return built{"I", fmt.Sprint("employee", e), employeeKey(e)}
	},
	func(t *rapid.T) built {
		c := drawID[id.Company](t)
		return built{"I", fmt.Sprint("company", c), companyKey(c)}
	},
	func(t *rapid.T) built { r := drawID[id.Role](t); return built{"I", fmt.Sprint("role", r), roleKey(r)} },
	func(t *rapid.T) built { s := drawText(t); return built{"I", fmt.Sprint("email", s), emailKey(s)} },
	func(t *rapid.T) built { s := drawText(t); return built{"T", fmt.Sprint("letters", s), lettersKey(s)} },
	func(t *rapid.T) built {
		k, m := drawID[id.Key](t), rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "mac")
		return built{"I", fmt.Sprintf("retired%s%x", k, m), retiredKey(string(k), m)}
	},
	func(t *rapid.T) built {
		k, s := drawID[id.Key](t), drawText(t)
		return built{"I", fmt.Sprint("sighting", k, s), sightingKey(string(k), s)}
	},
	func(t *rapid.T) built {
		a, s := drawID[id.ServiceAccount](t), drawText(t)
		return built{"I", fmt.Sprint("source", a, s), sourceKey(string(a), s)}
	},
	func(t *rapid.T) built {
		a, at, k := drawID[id.ServiceAccount](t), drawTime(t), drawID[id.Key](t)
		return built{"I", fmt.Sprint("key row", a, at.UnixMilli(), k), keyRowKey(a, at, k)}
	},
	func(t *rapid.T) built {
		a, n := drawID[id.ServiceAccount](t), rapid.Int64Range(0, 9_999_999_999).Draw(t, "epoch")
		return built{"I", fmt.Sprint("epoch", a, n), epochKey(a, n)}
	},
	func(t *rapid.T) built {
		p := drawID[id.Policy](t)
		return built{"I", fmt.Sprint("task", p), taskKey(p)}
	},
	func(*rapid.T) built { return built{"I", "warm", warmKey()} },
	func(*rapid.T) built { return built{"D", "msp", mspKey()} },
	func(t *rapid.T) built { n := drawID[id.Node](t); return built{"D", fmt.Sprint("node", n), nodeKey(n)} },
	func(t *rapid.T) built { p := drawPlace(t); return built{"D", fmt.Sprint("use", p), useKey(p)} },
	func(t *rapid.T) built { p := drawPlace(t); return built{"D", fmt.Sprint("policy", p), policyKey(p)} },
	func(t *rapid.T) built {
		p := drawID[id.Policy](t)
		return built{"D", fmt.Sprint("policy at", p), policyAtKey(p)}
	},
	func(t *rapid.T) built {
		n, p, s := drawNoun(t), drawPlace(t), drawText(t)
		return built{"D", fmt.Sprint("name", n, p, s), nameKey(n, p, s)}
	},
	func(t *rapid.T) built {
		n, p, s, k := drawNoun(t), drawPlace(t), drawText(t), drawID[id.Key](t)
		return built{"D", fmt.Sprint("row", n, p, s, k), rowKey(n, p, s, string(k))}
	},
	func(t *rapid.T) built {
		p, at, k := drawPlace(t), drawTime(t), drawID[id.Key](t)
		return built{"D", fmt.Sprint("expiry", p, at.UnixMilli(), k), expiryRowKey(p, at, k)}
	},
	func(t *rapid.T) built {
		e := drawID[id.Event](t)
		return built{"A", fmt.Sprint("event", e), eventKey(e)}
	},
	func(t *rapid.T) built {
		p, at, e := drawPlace(t), drawTime(t), drawID[id.Event](t)
		return built{"A", fmt.Sprint("event row", p, at.UnixMilli(), e), eventRowKey(p, at, e)}
	},
	func(t *rapid.T) built { s := drawText(t); return built{"T", fmt.Sprint("idem", s), idemKey(s)} },
}

func TestKeys_OfTwoThingsAreNeverTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SampledFrom(builders).Draw(t, "a")(t)
		b := rapid.SampledFrom(builders).Draw(t, "b")(t)
		if a.table == b.table && a.from != b.from && a.key == b.key {
			t.Fatalf("%q and %q share %q", a.from, b.from, a.key)
		}
		if a.key.pk == "" || a.key.sk == "" && !strings.HasPrefix(a.key.pk, "name#") {
			t.Fatalf("an empty key: %q", a.key)
		}
	})
}

func TestRowKey_SortsByFoldedNameThenID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type object struct{ name, id string }
		objects := rapid.SliceOf(rapid.Custom(func(t *rapid.T) object {
			return object{drawText(t), string(drawID[id.Key](t))}
		})).Draw(t, "objects")
		byKey := slices.Clone(objects)
		sort.SliceStable(byKey, func(i, j int) bool {
			return rowKey(listing.Keys, "p", byKey[i].name, byKey[i].id).sk < rowKey(listing.Keys, "p", byKey[j].name, byKey[j].id).sk
		})
		sort.SliceStable(objects, func(i, j int) bool {
			a, b := objects[i], objects[j]
			return a.name < b.name || a.name == b.name && a.id < b.id
		})
		require.Equal(t, objects, byKey)
	})
}

func TestTimeText_SortsAsTimesDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawTime(t), drawTime(t)
		require.Equal(t, a.Compare(b), strings.Compare(timeText(a), timeText(b)))
		require.Less(t, timeText(a), endOfTime)
	})
}

func TestAfterHash_IsTheIDBehindATime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k, e, at := drawID[id.Key](t), drawID[id.Event](t), drawTime(t)
		require.Equal(t, string(k), afterHash(keyRowKey("sa_1", at, k).sk))
		require.Equal(t, string(e), afterHash(eventRowKey("co_1", at, e).sk))
		require.Equal(t, "192.0.2.1", afterHash(sourceKey("sa_1", "192.0.2.1").sk))
		require.Equal(t, "2001:db8::/64", afterHash(sightingKey("key_1", "2001:db8::/64").sk))
	})
}
