package boot

import (
	"slices"
	"time"

	"github.com/rekey-dev/rekey/pkg/dynamo"
)

// Table is one of the four tables, by the setting that names it.
type Table string

const (
	Identity  Table = "IDENTITY_TABLE"
	Directory Table = "DIRECTORY_TABLE"
	Audit     Table = "AUDIT_TABLE"
	Transient Table = "TRANSIENT_TABLE"
)

// Verifier is what a verdict reads and writes, in Identity and Audit.
func (e *Environment) Verifier() *dynamo.Verifier {
	v := dynamo.NewVerifier(dynamo.NewClient(e.DynamoDB()), e.tables(Identity, Audit))
	e.Warm("identity table", v.Warm)
	return v
}

// Store is everything that a store does, in the tables that the function may use; Identity is one of them. fold is
// fold.Name: its tables of Unicode are not linked into a function that does not pass it.
func (e *Environment) Store(fold func(string) string, tables ...Table) *dynamo.Store {
	s := dynamo.New(dynamo.NewClient(e.DynamoDB()), e.tables(tables...), fold)
	e.Warm("tables", s.Warm)
	return s
}

func (e *Environment) tables(used ...Table) dynamo.Tables {
	physical := func(t Table) string {
		if slices.Contains(used, t) {
			return e.Text(string(t))
		}
		return ""
	}
	return dynamo.Tables{Identity: physical(Identity), Directory: physical(Directory), Audit: physical(Audit),
		Transient: physical(Transient)}
}

// DynamoDB says where DynamoDB is and who calls, for tools that need more than a store does.
func (e *Environment) DynamoDB() dynamo.Config {
	c := dynamo.Config{Region: e.aws.Region, Credentials: e.aws.Credentials, HTTPClient: e.aws.HTTPClient, Now: time.Now}
	if e.aws.BaseEndpoint != nil {
		c.Endpoint = *e.aws.BaseEndpoint
	}
	return c
}
