package permission_test

import (
	"encoding/base64"
	"flag"
	"fmt"
	"math/bits"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rekey-dev/rekey/pkg/permission"
)

var update = flag.Bool("update", false, "add new permissions to testdata/indexes.golden")

func all() []permission.Permission {
	var out []permission.Permission
	for _, e := range permission.Catalogue() {
		out = append(out, e.ID)
	}
	return out
}

func sets() *rapid.Generator[permission.Set] {
	return rapid.Custom(func(t *rapid.T) permission.Set {
		return permission.Of(rapid.SliceOf(rapid.SampledFrom(all())).Draw(t, "permissions")...)
	})
}

// indexOf tells a permission's position in a set, as sets that travel show it.
func indexOf(t *testing.T, p permission.Permission) int {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(permission.Of(p).Compact())
	require.NoError(t, err)
	require.NotEmpty(t, b)
	for _, x := range b[:len(b)-1] {
		require.Zero(t, x)
	}
	require.Equal(t, 1, bits.OnesCount8(b[len(b)-1]))
	return 8*(len(b)-1) + bits.TrailingZeros8(b[len(b)-1])
}

func TestCatalogue_IndexesAreUniqueAndNeverMove(t *testing.T) {
	const golden = "testdata/indexes.golden"
	index := map[permission.Permission]int{}
	taken := map[int]permission.Permission{}
	var lines []string
	for _, p := range all() {
		i := indexOf(t, p)
		require.Empty(t, taken[i], "index %d is %s's too", i, p)
		index[p], taken[i] = i, p
		lines = append(lines, fmt.Sprintf("%d %s", i, p))
	}
	text, err := os.ReadFile(golden)
	if !*update {
		require.NoError(t, err)
	}
	known := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		var i int
		var p permission.Permission
		_, err := fmt.Sscan(line, &i, &p)
		require.NoError(t, err)
		if now, ok := index[p]; ok {
			require.Equal(t, i, now, "%s has moved: stored sets would change their meaning", p)
		}
		if now, ok := taken[i]; ok {
			require.Equal(t, p, now, "index %d was %s's: it is never used again", i, p)
		}
		known[strings.TrimSpace(line)] = true
	}
	for _, line := range lines {
		if known[line] {
			continue
		}
		if *update {
			text = append(text, line+"\n"...)
			continue
		}
		require.Fail(t, "a new permission", "%s is not in %s: run the test with -update", line, golden)
	}
	if *update {
		require.NoError(t, os.WriteFile(golden, text, 0o644))
	}
}

func TestCatalogue_EveryPermissionIsExplained_W2(t *testing.T) {
	names, explained := map[string]bool{}, map[permission.Permission]string{}
	for _, e := range permission.Catalogue() {
		require.Regexp(t, `^[a-z_]{1,20}:[a-z_]{1,20}$`, string(e.ID))
		require.NotEmpty(t, e.Name)
		require.NotEmpty(t, e.Category)
		require.True(t, strings.HasSuffix(e.Description, "."), e.ID)
		require.False(t, names[e.Name], e.Name)
		names[e.Name] = true
		require.True(t, permission.Known(e.ID), "%s has no position in sets", e.ID)
		explained[e.ID] = e.Name
	}
	require.Equal(t, "Rotate Service Account Secret", explained["service_accounts:rotate"])
	require.Len(t, explained, permission.All.Count(), "every permission that there is is explained")
	require.False(t, permission.Known("keys:eat"))
}

func TestPermissions_FourAreNeverAServiceAccounts_W2(t *testing.T) {
	never := []permission.Permission{
		"service_accounts:create", "service_accounts:update", "service_accounts:rotate", "service_accounts:delete",
		"keys:issue", "keys:revoke", "keys:unlock", "companies:assume", "incidents:run",
	}
	require.Equal(t, permission.Of(never...), permission.All.Without(permission.Machine))
	require.Len(t, never, permission.All.Without(permission.Machine).Count())
	for _, e := range permission.Catalogue() {
		require.Equal(t, permission.Machine.Has(e.ID), e.AssignableToServiceAccount(), e.ID)
	}
	require.False(t, permission.Entry{}.AssignableToServiceAccount(), "what is not known is not assignable")
}

func TestCatalogue_IsACopy(t *testing.T) {
	c := permission.Catalogue()
	c[0].ID = "altered:here"
	require.NotEqual(t, c[0].ID, permission.Catalogue()[0].ID)
}

func TestSet_TheZeroSetGrantsNothing(t *testing.T) {
	var zero permission.Set
	require.True(t, zero.IsEmpty())
	for _, p := range all() {
		require.False(t, zero.Has(p))
	}
	require.Empty(t, zero.List())
	require.Empty(t, zero.Text())
	require.Empty(t, zero.Compact())
	require.Equal(t, len(all()), permission.All.Count())
}

func TestSet_UnknownWordsGrantNothing(t *testing.T) {
	require.True(t, permission.Of("keys:eat", "", "keys", ":", "*", "keys:*", "KEYS:READ", " keys:read").IsEmpty())
	require.False(t, permission.All.Has("keys:eat"))
	for _, text := range []string{"keys:eat", "  ", "keys:read,keys:issue", "keys:read\tkeys:issue", "keys:read\n"} {
		require.True(t, permission.Split(text).IsEmpty(), "%q", text)
	}
	require.Equal(t, permission.Of(permission.KeysRead), permission.Split(" keys:eat  keys:read "))
}

func TestSet_WritesAndReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := sets().Draw(t, "set")
		if permission.Split(s.Text()) != s || permission.Of(s.List()...) != s || len(s.List()) != s.Count() {
			t.Fatalf("%q", s.Text())
		}
		back, ok := permission.FromCompact(s.Compact())
		if !ok || back != s || len(s.Compact()) > 22 {
			t.Fatalf("%q", s.Compact())
		}
	})
	require.Equal(t, "audit:read keys:read", permission.Of(permission.KeysRead, permission.AuditRead).Text(), "sorted")
}

func TestSet_CountsLikeASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := sets().Draw(t, "a"), sets().Draw(t, "b")
		for _, p := range all() {
			x, y := a.Has(p), b.Has(p)
			if a.And(b).Has(p) != (x && y) || a.Or(b).Has(p) != (x || y) || a.Without(b).Has(p) != (x && !y) {
				t.Fatalf("%s: %v %v", p, x, y)
			}
		}
	})
}

func TestFromCompact_RefusesWhatIsNoSet(t *testing.T) {
	for _, text := range []string{"*", "A", "AA==", "AA ", "-", strings.Repeat("A", 23), strings.Repeat("A", 24), "A/A"} {
		s, ok := permission.FromCompact(text)
		require.False(t, ok, text)
		require.True(t, s.IsEmpty())
	}
	// A bit that this version does not know is kept and grants nothing that it knows.
	s, ok := permission.FromCompact(base64.RawURLEncoding.EncodeToString(append(make([]byte, 15), 0x80)))
	require.True(t, ok)
	require.Empty(t, s.List())
}

func FuzzFromCompact(f *testing.F) {
	f.Add("")
	f.Add(permission.All.Compact())
	f.Add(permission.Machine.Compact())
	f.Fuzz(func(t *testing.T, text string) {
		if s, ok := permission.FromCompact(text); ok {
			back, ok := permission.FromCompact(s.Compact())
			require.True(t, ok)
			require.Equal(t, s, back)
		}
	})
}
