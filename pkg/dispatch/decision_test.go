package dispatch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
)

func TestDetailType_AnnouncesWhatTheAPIPromises(t *testing.T) {
	for change, want := range map[string]string{
		audit.KeyIssued: "Key Issued", audit.KeyRevoked: "Key Revoked", audit.KeySelfRevoked: "Key Revoked",
		audit.KeyRegenerated: "Key Regenerated", audit.KeyDeactivated: "", audit.KeyActivated: "", audit.KeyUpdated: "",
	} {
		got, known := DetailType(audit.Event{Action: audit.UserUpdated, Outcome: audit.OK, Details: map[string]any{"change": change}})
		require.True(t, known)
		require.Equal(t, want, got, change)
	}
	for action, want := range map[string]string{
		audit.PrincipalLocked: "Principal Locked", audit.Unlocked: "Principal Unlocked", audit.RetiredSeen: "Retired Secret Seen",
		audit.ServiceAccountRevoked: "Service Account Revoked", audit.ServiceAccountRotated: "Service Account Rotated",
		audit.ServiceAccountCreated: "", audit.SetupCompleted: "", audit.KeyFirstUsed: "",
	} {
		got, known := DetailType(audit.Event{Action: action, Outcome: audit.OK})
		require.True(t, known)
		require.Equal(t, want, got, action)
	}
}

func TestDetailType_WhatWasRefusedIsNeverAnnounced(t *testing.T) {
	for action := range actions {
		got, known := DetailType(audit.Event{Action: action, Outcome: audit.Denied})
		require.True(t, known)
		require.Empty(t, got)
	}
	for change := range changes {
		got, known := DetailType(audit.Event{Action: audit.UserUpdated, Outcome: audit.Denied, Details: map[string]any{"change": change}})
		require.True(t, known)
		require.Empty(t, got)
	}
}

func TestDetailType_UnknownActionsAndChangesAreNotAnnounced(t *testing.T) {
	for _, e := range []audit.Event{
		{Action: "moon.landed", Outcome: audit.OK},
		{Action: audit.UserUpdated, Outcome: audit.OK},
		{Action: audit.UserUpdated, Outcome: audit.OK, Details: map[string]any{"change": 7}},
		{Action: audit.UserUpdated, Outcome: audit.OK, Details: map[string]any{"change": "moon.landed"}},
	} {
		got, known := DetailType(e)
		require.False(t, known)
		require.Empty(t, got)
	}
}

// word is the form of an action or a change: <noun>.<past participle>.
var word = regexp.MustCompile(`^[a-z_]+\.[a-z_]+$`)

func TestEveryActionOfTheAuditLogHasADecision(t *testing.T) {
	found := 0
	for path, file := range parsed(t, "../audit") {
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			ast.Inspect(g, func(n ast.Node) bool {
				if s, ok := literal(n); ok && word.MatchString(s) && s != audit.UserUpdated {
					found++
					require.True(t, decided(s), "%s: decide in pkg/dispatch whether %s is announced", path, s)
				}
				return true
			})
		}
	}
	require.Greater(t, found, 15)
}

// Actions are put together or spelled out elsewhere too: whatever is assigned to a member Action, or returned as one.
func TestEveryActionThatTheDomainSpellsOutHasADecision(t *testing.T) {
	for _, folder := range []string{"../accesstoken", "../apikey", "../serviceaccount", "../setup", "../verify"} {
		for path, file := range parsed(t, folder) {
			ast.Inspect(file, func(n ast.Node) bool {
				if s, ok := literal(n); ok && word.MatchString(s) {
					require.True(t, decided(s), "%s: decide in pkg/dispatch whether %s is announced", path, s)
				}
				return true
			})
		}
	}
}

func decided(s string) bool {
	_, action := actions[s]
	_, change := changes[s]
	return action || change
}

func literal(n ast.Node) (string, bool) {
	l, ok := n.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(l.Value)
	return s, err == nil
}

func parsed(t *testing.T, folder string) map[string]*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	out := map[string]*ast.File{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		require.NoError(t, err)
		out[name], err = parser.ParseFile(token.NewFileSet(), name, source, 0)
		require.NoError(t, err)
	}
	require.NotEmpty(t, out)
	return out
}
