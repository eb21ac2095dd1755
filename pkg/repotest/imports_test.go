package repotest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/rekey-dev/rekey/"

// layers sorts the packages; each may import what stands in the layers that it names. A new package has to be put into one.
var layers = []struct {
	name     string
	imports  []string
	packages []string // below pkg; "x/..." is x and everything below it
	why      string
}{
	{name: "values", imports: []string{"values"},
		packages: []string{"fault", "fold", "id", "lock", "name", "period", "permission", "place", "telemetry", "token"},
		why:      "A value can be used everywhere, so it drags nothing along."},
	{name: "domain", imports: []string{"values", "domain"},
		packages: []string{"accesstoken", "apikey", "audit", "authz", "billing", "calendar", "call", "change", "company", "delivery", "dispatch",
			"employee", "grant", "idempotency", "keystatus", "listing", "mailbox", "mint", "msp", "node", "notice", "onetime", "page", "passkey", "policy", "precondition", "protectedapi", "role",
			"rotation", "secretrotation", "serviceaccount", "session", "setup", "signin", "staff", "sweep", "tenancy", "tree", "usage", "verification", "verify"},
		why: "The rules can be read, tested and moved without AWS, HTTP or a table's layout."},
	{name: "wire", packages: []string{"awsjson"},
		why: "Two adapters send the same signed call; it knows neither."},
	{name: "adapters", imports: []string{"values", "domain", "wire"},
		packages: []string{"bus", "ceremony", "dynamo", "mail", "rekeyapi", "secrets"},
		why:      "An adapter points at the domain; adapters do not know each other, so each can be replaced alone."},
	{name: "writers", imports: []string{"values", "domain", "adapters"},
		packages: []string{"secrets/consumer", "secrets/vault"},
		why:      "They write by way of clients that the binaries of the adapter beside them have no room for."},
	{name: "surface", imports: []string{"values", "domain", "surface"},
		packages: []string{"authorizer", "httpapi/..."},
		why:      "What faces a caller gets its stores and keys from outside: it cannot reach around the domain."},
	{name: "boot", imports: []string{"values", "adapters"},
		packages: []string{"boot"},
		why:      "Only the cold start knows which adapter stands behind an interface, and it decides nothing of the domain's."},
	{name: "tests", imports: []string{"values", "domain", "adapters", "writers", "surface", "tests"},
		packages: []string{"ceremony/virtual", "dynamo/dynamofault", "httpapi/httpapitest", "isolation", "memstore", "rekeytest", "repotest", "secrets/secretstest", "storetest"},
		why:      "What exists for tests is linked into nothing else."},
}

// exclusive names what only some packages below pkg and functions may import, tests aside.
var exclusive = []struct {
	imported string // a prefix
	by       []string
	why      string
}{
	{"github.com/aws/aws-sdk-go-v2/service/dynamodb", []string{"pkg/dynamo", "pkg/dynamo/dynamofault"},
		"All of the tables' layout is in one package; nothing else spells an attribute."},
	{"github.com/aws/aws-sdk-go-v2/service/eventbridge", []string{"pkg/bus"}, "Whatever the authorizer imports is in its binary."},
	{"github.com/aws/aws-sdk-go-v2/service/sqs", []string{"pkg/bus"}, "Whatever the authorizer imports is in its binary."},
	{"github.com/aws/aws-sdk-go-v2/service/sesv2", []string{"pkg/mail"}, "Mail leaves through one door."},
	{"github.com/aws/aws-sdk-go-v2/service/secretsmanager", []string{"pkg/secrets/consumer", "pkg/secrets/vault"},
		"Consumers' secrets are written through one door, rekey's own through another."},
	{"github.com/aws/aws-sdk-go-v2/service/sts", []string{"pkg/secrets/consumer"}, "Only for a consumer's secret is a role assumed."},
	{"github.com/aws/aws-sdk-go-v2/service/", []string{"pkg/dynamo", "pkg/dynamo/dynamofault", "pkg/bus", "pkg/mail", "pkg/secrets/consumer", "pkg/secrets/vault"},
		"Each of AWS's services has one door; pkg/secrets reads without a client."},
	{"github.com/aws/aws-sdk-go-v2/config", nil, "It adds 2 MB and half a start, and looks for files that are not there."},
	{"github.com/aws/aws-sdk-go-v2/credentials", nil, "A function's credentials are in its environment."},
	{"github.com/aws/aws-sdk-go-v2/aws/signer", []string{"pkg/awsjson"}, "Calls are signed by the SDK's clients, or in one place."},
	{"github.com/aws/", []string{"pkg/awsjson", "pkg/boot", "pkg/bus", "pkg/dynamo", "pkg/dynamo/dynamofault", "pkg/mail", "pkg/secrets", "pkg/secrets/consumer", "pkg/secrets/vault",
		"pkg/httpapi", "pkg/httpapi/..."},
		"AWS is known to the adapters, to the cold start, and to what reads API Gateway's events."},
	{"github.com/aws/aws-lambda-go/lambda", []string{"pkg/boot", "pkg/httpapi/setup", "functions/..."}, "Handlers can be called without Lambda."},
	{"github.com/danielgtaylor/huma", []string{"pkg/httpapi", "pkg/httpapi/..."}, "HTTP stays on the surface, and out of the authorizer."},
	{"golang.org/x/text", []string{"pkg/fold"}, "The tables of Unicode are a tenth of a small program."},
	{"net/http", []string{"pkg/awsjson", "pkg/boot", "pkg/dynamo", "pkg/rekeyapi", "pkg/secrets", "pkg/secrets/secretstest", "pkg/httpapi", "pkg/httpapi/..."},
		"The domain does not know that it is asked over HTTP."},
	{"github.com/go-webauthn/", []string{"pkg/ceremony"}, "What a ceremony is, one package knows; the domain knows what it gives."},
	{"github.com/descope/virtualwebauthn", []string{"pkg/ceremony/virtual"}, "It is for tests."},
	{"os", []string{"pkg/boot", "pkg/httpapi/httpapitest", "functions/..."}, "The environment is read once, at the start, in one place."},
	{"github.com/stretchr/testify", []string{"pkg/storetest", "pkg/rekeytest", "pkg/httpapi/httpapitest"}, "It is for tests."},
	{"github.com/google/go-cmp", []string{"pkg/storetest"}, "It is for tests."},
	{"github.com/teambition/rrule-go", nil, "pkg/calendar is tested against it."},
	{"time/tzdata", []string{"functions/..."}, "A main decides whether its binary has room for the zones."},
}

// unlinked names what must not get into a binary by any way.
var unlinked = []struct {
	binary, what string // what is a prefix
	why          string
}{
	{"functions/authorizer", "github.com/aws/aws-sdk-go-v2/service/eventbridge", "size: the authorizer publishes nothing"},
	{"functions/authorizer", "github.com/aws/aws-sdk-go-v2/service/sqs", "size"},
	{"functions/authorizer", "github.com/aws/aws-sdk-go-v2/service/secretsmanager", "size: see pkg/secrets"},
	{"functions/authorizer", "github.com/aws/aws-sdk-go-v2/service/sts", "size, and it assumes no role"},
	{"functions/authorizer", "github.com/danielgtaylor/huma", "size and start: plain event in, policy out"},
	{"functions/authorizer", "golang.org/x/text", "size: names are folded by those who write them"},
	{"functions/authorizer", module + "pkg/httpapi", "size and start"},
	{"functions/authorizer", "time/tzdata", "size: its rules are in seconds"},
	{"functions/authorizer", module + "pkg/notice", "size: templates make the linker keep every method; its values are in pkg/mailbox"},
	{"functions/authorizer", "github.com/teambition/rrule-go", "size and start"},
	{"functions/", "github.com/aws/aws-sdk-go-v2/config", "size and start"},
	{"functions/", "github.com/stretchr/testify", "tests' own"},
	{"functions/", module + "pkg/memstore", "a store that forgets must not be deployed"},
	{"functions/", module + "pkg/dynamo/dynamofault", "it makes calls fail"},
}

type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
	Deps       []string
}

// short is the package's path below the module.
func (p listed) short() string { return strings.TrimPrefix(p.ImportPath, module) }

func listPackages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports,Deps", "./...")
	cmd.Dir = templateRoot
	out, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		t.Fatalf("go list: %s", failed.Stderr)
	}
	require.NoError(t, err)
	var packages []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	require.Greater(t, len(packages), 30)
	return packages
}

// matches tells whether a path is one of the patterns.
func matches(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if below, ok := strings.CutSuffix(pattern, "/..."); ok {
			return path == below || strings.HasPrefix(path, below+"/")
		}
		return path == pattern
	})
}

// layerOf returns a package's layer, that of the longest pattern; -1 for none.
func layerOf(path string) int {
	found, length := -1, -1
	for i, l := range layers {
		for _, pattern := range l.packages {
			if matches([]string{pattern}, path) && len(strings.TrimSuffix(pattern, "/...")) > length {
				found, length = i, len(strings.TrimSuffix(pattern, "/..."))
			}
		}
	}
	return found
}

func TestImports_FollowTheLayers(t *testing.T) {
	for _, p := range listPackages(t) {
		own, ok := strings.CutPrefix(p.short(), "pkg/")
		if !ok {
			continue
		}
		at := layerOf(own)
		if at < 0 {
			t.Errorf("pkg/%s stands in no layer: put it into one in imports_test.go", own)
			continue
		}
		for _, imported := range p.Imports {
			short, ok := strings.CutPrefix(imported, module)
			if !ok {
				continue
			}
			below, ok := strings.CutPrefix(short, "pkg/")
			to := layerOf(below)
			if !ok || (to >= 0 && !slices.Contains(layers[at].imports, layers[to].name)) {
				t.Errorf("pkg/%s (%s) imports %s. %s", own, layers[at].name, short, layers[at].why)
			}
		}
	}
}

func TestImports_ExclusiveOnesStayWhereTheyBelong(t *testing.T) {
	for _, p := range listPackages(t) {
		if !strings.HasPrefix(p.short(), "pkg/") && !strings.HasPrefix(p.short(), "functions/") {
			continue
		}
		for _, imported := range p.Imports {
			for _, rule := range exclusive {
				if imported != rule.imported && !strings.HasPrefix(imported, strings.TrimSuffix(rule.imported, "/")+"/") {
					continue
				}
				if !matches(rule.by, p.short()) {
					t.Errorf("%s imports %s. %s", p.short(), imported, rule.why)
				}
			}
		}
	}
}

func TestImports_FunctionsImportNoTestSupport(t *testing.T) {
	for _, p := range listPackages(t) {
		if !strings.HasPrefix(p.short(), "functions/") {
			continue
		}
		for _, imported := range p.Imports {
			below, ok := strings.CutPrefix(imported, module+"pkg/")
			if ok && layerOf(below) >= 0 && layers[layerOf(below)].name == "tests" {
				t.Errorf("%s imports pkg/%s, which is for tests", p.short(), below)
			}
		}
	}
}

// What reads schedules or calendars has to know the zones, wherever it runs.
func TestBinaries_ThatReadCalendarsCarryTheZones_B9(t *testing.T) {
	found := 0
	for _, p := range listPackages(t) {
		if strings.HasPrefix(p.short(), "functions/") && slices.Contains(p.Imports, module+"pkg/calendar") {
			found++
			require.Contains(t, p.Imports, "time/tzdata", p.short())
		}
	}
	require.Positive(t, found)
}

func TestBinaries_DoNotLinkWhatTheyMustNot(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range listPackages(t) {
		for i, rule := range unlinked {
			if !strings.HasPrefix(p.short(), rule.binary) {
				continue
			}
			seen[unlinked[i].binary] = true
			for _, dep := range p.Deps {
				if dep == rule.what || strings.HasPrefix(dep, rule.what+"/") {
					t.Errorf("%s links %s (%s)", p.short(), dep, rule.why)
				}
			}
		}
	}
	require.Len(t, seen, 2, "a rule names a binary that is not there")
}
