package document

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const sample = "# A guide\n\n```sh\nNAME=key_00000000000000000001\necho \"{\"; echo \" \\\"id\\\": \\\"$NAME\\\",\"; echo more; echo \"}\"\n```\n\nprints\n\n" +
	"```json\n{\n \"id\": \"key_AAAAAAAAAAAAAAAAAAAA\",\n…\n}\n```\n\n```sh no-test\nexit 1\n```\n\n```sh\necho $NAME at 2026-01-01T00:00:00Z\n```\n\n" +
	"```text\nkey_AAAAAAAAAAAAAAAAAAAA at 2027-12-31T23:59:59Z\n```\n\n```toml\na = 1\n```\n"

func run(t *testing.T, text string) ([]Step, []string) {
	t.Helper()
	steps, err := Parse(text)
	require.NoError(t, err)
	printed, _, err := Shell{Folder: t.TempDir(), Env: os.Environ()}.Run(t.Context(), steps)
	require.NoError(t, err)
	return steps, printed
}

func TestDocument_HoldsWhatItsCommandsPrint(t *testing.T) {
	steps, printed := run(t, sample)
	require.Len(t, steps, 2)
	require.Equal(t, 4, steps[0].Line)
	var r Reader
	for i, s := range steps {
		require.NoError(t, r.Compare(s, printed[i]))
	}
}

func TestDocument_AnotherLineAnotherOrderOrAnotherNameIsTold(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"a line that is not printed": func(s string) string { return strings.Replace(s, "…\n}", "…\nnothing\n}", 1) },
		"a line that is not shown":   func(s string) string { return strings.Replace(s, "…\n", "", 1) },
		"another ID the second time": func(s string) string {
			return strings.Replace(s, "key_AAAAAAAAAAAAAAAAAAAA at", "key_BBBBBBBBBBBBBBBBBBBB at", 1)
		},
		"another word": func(s string) string { return strings.Replace(s, "AAAA at", "AAAA on", 1) },
	} {
		steps, printed := run(t, change(sample))
		var r Reader
		var failed bool
		for i, s := range steps {
			failed = r.Compare(s, printed[i]) != nil || failed
		}
		require.True(t, failed, name)
	}
}

func TestDocument_ACommandThatFailsIsToldWithItsLine(t *testing.T) {
	steps, err := Parse("```sh\ntrue\n```\n\n```sh\necho before; false\n```\n")
	require.NoError(t, err)
	_, _, err = Shell{Folder: t.TempDir(), Env: os.Environ()}.Run(t.Context(), steps)
	require.ErrorContains(t, err, "line 6")
	require.ErrorContains(t, err, "before")
}

func TestDocument_ShowKeepsWhatIsLeftOutAndCutsSecrets(t *testing.T) {
	body := strings.Repeat("0", 43)
	text := "```sh\necho a; echo b; echo rka_00000000000000000001_" + body + "abcdef\n```\n```text\n…\nrka_AAAAAAAAAAAAAAAAAAAA_" + body + "……\n```\nend\n"
	steps, printed := run(t, text)
	var r Reader
	require.NoError(t, r.Compare(steps[0], printed[0]))
	shown := Show(text, steps, printed)
	require.Contains(t, shown, "```text\n…\nrka_00000000000000000001_"+body+"……\n```\nend\n")
}

func TestDocument_ABlockWithoutALanguageOrAnEndIsRefused(t *testing.T) {
	for _, text := range []string{"```\na\n```\n", "```sh\na\n", "```json\n{}\n```\n"} {
		_, err := Parse(text)
		require.Error(t, err, text)
	}
}
