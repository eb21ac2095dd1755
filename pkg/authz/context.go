package authz

import (
	"encoding/base64"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
)

// Names of the context's members that the authorizer sets beside the caller's own.
const (
	ContextNotice     = "key_notice"     // the key's end, within its notice
	ContextSuperseded = "key_superseded" // "true" during an overlap
)

// MaxContext is the most bytes of a caller's context, names and values together. It leaves room under 1 KB for the two
// members that the authorizer adds.
const MaxContext = 960

// Values is a caller as the authorizer hands it to the functions: flat strings of the characters A-Z a-z 0-9 _ : . / , ; -
// and blank only, as the gateway puts them into its own answers without escaping them.
type Values struct {
	Principal       string `json:"principal"`
	Type            string `json:"type"`
	Name            string `json:"name"` // base64url; cut where there is no room for it
	Key             string `json:"key"`
	KeyPrefix       string `json:"key_prefix"`
	KeyName         string `json:"key_name"` // as Name
	KeyExpires      string `json:"key_expires"`
	KeyStatus       string `json:"key_status"`
	KeyNotice       string `json:"key_notice,omitempty"`
	KeySuperseded   string `json:"key_superseded,omitempty"`
	Auth            string `json:"auth"`
	Role            string `json:"role"`
	Path            string `json:"path"`
	Company         string `json:"company"`
	RolePermissions string `json:"role_permissions"` // permission.Set.Compact
	Permissions     string `json:"permissions"`
	Own             string `json:"own"`
}

// Values writes the caller for the functions.
func (c Caller) Values() Values {
	v := Values{Principal: c.ID, Type: string(c.Type), Key: c.KeyID, KeyPrefix: c.KeyPrefix, KeyExpires: c.KeyExpires,
		KeyStatus: c.KeyStatus, Auth: c.Auth, Role: string(c.RoleID), Path: c.Place.Path, Company: string(c.Place.Company),
		RolePermissions: c.Role.Compact(), Permissions: c.Effective.Compact(), Own: c.OwnAccount.Compact()}
	const memberNames = 117 // bytes of the members' names, without the two of the notice
	room := MaxContext - memberNames - len(v.Principal) - len(v.Type) - len(v.Key) - len(v.KeyPrefix) - len(v.KeyExpires) -
		len(v.KeyStatus) - len(v.Auth) - len(v.Role) - len(v.Path) - len(v.Company) - len(v.RolePermissions) -
		len(v.Permissions) - len(v.Own)
	name, keyName := c.Name, c.KeyName
	for encoded(name)+encoded(keyName) > room {
		if len(name) >= len(keyName) {
			name = shorter(name)
		} else {
			keyName = shorter(keyName)
		}
	}
	v.Name, v.KeyName = base64.RawURLEncoding.EncodeToString([]byte(name)), base64.RawURLEncoding.EncodeToString([]byte(keyName))
	return v
}

func encoded(s string) int { return base64.RawURLEncoding.EncodedLen(len(s)) }

// shorter cuts the last character.
func shorter(s string) string {
	_, n := utf8.DecodeLastRuneInString(s)
	return s[:len(s)-n]
}

// Context is Values as API Gateway hands it on.
func (c Caller) Context() map[string]any {
	v := c.Values()
	return map[string]any{"principal": v.Principal, "type": v.Type, "name": v.Name, "key": v.Key, "key_prefix": v.KeyPrefix,
		"key_name": v.KeyName, "key_expires": v.KeyExpires, "key_status": v.KeyStatus, "auth": v.Auth, "role": v.Role,
		"path": v.Path, "company": v.Company, "role_permissions": v.RolePermissions, "permissions": v.Permissions, "own": v.Own}
}

// ErrNoCaller is returned for a request that no authorizer has let pass.
var ErrNoCaller = errors.New("authz: no caller")

// FromContext reads the caller that the authorizer wrote. Anything missing or malformed is an error: a request without a
// caller is never an anonymous one.
func FromContext(m map[string]any) (Caller, error) {
	if len(m) == 0 {
		return Caller{}, ErrNoCaller
	}
	r := reader{m: m}
	c := Caller{Type: audit.ActorType(r.text("type")), ID: r.text("principal"), Name: r.name("name"), KeyID: r.text("key"),
		KeyPrefix: r.text("key_prefix"), KeyName: r.name("key_name"), KeyExpires: r.text("key_expires"),
		KeyStatus: r.text("key_status"), Auth: r.text("auth"), RoleID: id.Role(r.text("role")),
		Place: place.Place{Path: r.text("path"), Company: id.Company(r.text("company"))},
		Role:  r.set("role_permissions"), Effective: r.set("permissions"), OwnAccount: r.set("own")}
	if r.err != nil {
		return Caller{}, r.err
	}
	var known bool
	switch c.Type {
	case audit.Employee:
		_, known = id.Parse[id.Employee](c.ID)
	case audit.ServiceAccount:
		_, known = id.Parse[id.ServiceAccount](c.ID)
	}
	if !known {
		return Caller{}, errors.New("authz: context principal and type do not go together")
	}
	if _, ok := id.Parse[id.Company](string(c.Place.Company)); !ok && c.Place.Company != "" {
		return Caller{}, errors.New("authz: context company is no ID")
	}
	nodes := c.Place.Nodes()
	if len(nodes) == 0 || len(nodes) > place.MaxDepth {
		return Caller{}, errors.New("authz: context path is no path")
	}
	for _, n := range nodes {
		if _, ok := id.Parse[id.Node](string(n)); !ok {
			return Caller{}, errors.New("authz: context path is no path")
		}
	}
	return c, nil
}

// reader reads members and keeps the first thing that is wrong.
type reader struct {
	m   map[string]any
	err error
}

func (r *reader) fail(member, why string) {
	if r.err == nil {
		r.err = fmt.Errorf("authz: context %s %s", member, why)
	}
}

func (r *reader) text(member string) string {
	s, ok := r.m[member].(string)
	if !ok {
		r.fail(member, "is missing or no string")
	}
	return s
}

func (r *reader) name(member string) string {
	b, err := base64.RawURLEncoding.DecodeString(r.text(member))
	if err != nil || !utf8.Valid(b) {
		r.fail(member, "is no text")
	}
	return string(b)
}

func (r *reader) set(member string) permission.Set {
	s, ok := permission.FromCompact(r.text(member))
	if !ok {
		r.fail(member, "is no set of permissions")
	}
	return s
}
