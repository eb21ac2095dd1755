package authz_test

import (
	"maps"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/role"
)

func caller() authz.Caller {
	return authz.Caller{
		Type: audit.ServiceAccount, ID: "sa_" + twenty, Name: "Ticket bridge", KeyID: "key_" + twenty, KeyPrefix: "rka_7Hq2",
		KeyName: "primär", KeyExpires: "2026-12-01T00:00:00Z", KeyStatus: "expiring", Auth: "secret", RoleID: role.Automation,
		Place: place.Place{Path: "node_" + twenty, Company: "co_" + twenty}, Role: permission.Machine,
		Effective: permission.Of(permission.KeysRead), OwnAccount: permission.Of(permission.KeysRead),
	}
}

const twenty = "7Hq2cXv9LmN4pQr8sT1w"

func size(values map[string]any) int {
	n := 0
	for k, v := range values {
		n += len(k) + len(v.(string))
	}
	return n
}

func TestContext_ACallerComesBackAsItWentOut(t *testing.T) {
	c := caller()
	got, err := authz.FromContext(c.Context())
	require.NoError(t, err)
	require.Equal(t, c, got)

	c.Type, c.ID, c.KeyID, c.KeyExpires, c.Place.Company = audit.Employee, "emp_"+twenty, "pat_"+twenty, "", ""
	c.Role, c.Effective, c.OwnAccount = permission.All, permission.Set{}, permission.Set{}
	got, err = authz.FromContext(c.Context())
	require.NoError(t, err)
	require.Equal(t, c, got)
}

func TestContext_StaysUnderAKilobyteInCharactersThatNeedNoEscape(t *testing.T) {
	safe := regexp.MustCompile(`^[A-Za-z0-9_:./ ,;-]*$`)
	c := caller()
	c.Place.Path = strings.TrimSuffix(strings.Repeat("node_"+twenty+"/", place.MaxDepth), "/")
	c.Role, c.Effective, c.OwnAccount = permission.All, permission.All, permission.All
	for _, name := range []string{"", `","x":"`, strings.Repeat("字", 100), strings.Repeat("😀", 100), strings.Repeat("a", 100)} {
		for _, keyName := range []string{"", strings.Repeat("é", 100), strings.Repeat("😀", 100)} {
			c.Name, c.KeyName = name, keyName
			values := c.Context()
			require.LessOrEqual(t, size(values), authz.MaxContext)
			for k, v := range values {
				require.Regexp(t, safe, v, k)
			}
			values[authz.ContextNotice], values[authz.ContextSuperseded] = "2026-12-01T00:00:00Z", "true"
			require.Less(t, size(values), 1024)

			got, err := authz.FromContext(values)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(name, got.Name) && utf8.ValidString(got.Name))
			require.True(t, strings.HasPrefix(keyName, got.KeyName) && utf8.ValidString(got.KeyName))
			got.Name, got.KeyName = c.Name, c.KeyName
			require.Equal(t, c, got, "only names are ever cut")
		}
	}
	c.Name, c.KeyName = strings.Repeat("字", 100), "primary"
	got, err := authz.FromContext(c.Context())
	require.NoError(t, err)
	require.Equal(t, "primary", got.KeyName, "the short name is not cut for the long one")
}

func TestContext_WhatIsNoCallerIsAnErrorAndNeverAnonymous(t *testing.T) {
	for member := range caller().Context() {
		values := caller().Context()
		delete(values, member)
		_, err := authz.FromContext(values)
		require.ErrorContains(t, err, member)
		values[member] = 7
		_, err = authz.FromContext(values)
		require.Error(t, err, member)
	}
	for member, value := range map[string]string{
		"type": "holder", "principal": "emp_" + twenty, "path": "", "company": "co_", "permissions": "!", "own": "A",
		"role_permissions": strings.Repeat("A", 40), "name": "_w", "key_name": "=",
	} {
		values := maps.Clone(caller().Context())
		values[member] = value
		_, err := authz.FromContext(values)
		require.Error(t, err, member)
	}
	for _, nothing := range []map[string]any{nil, {}} {
		c, err := authz.FromContext(nothing)
		require.Error(t, err)
		require.Zero(t, c)
	}
	values := caller().Context()
	values["path"] = strings.TrimSuffix(strings.Repeat("node_"+twenty+"/", place.MaxDepth+1), "/")
	_, err := authz.FromContext(values)
	require.Error(t, err)
}
