package dynamo_test

import (
	"context"
	"crypto/rand"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/dynamo"
	"github.com/rekey-dev/rekey/pkg/dynamo/dynamofault"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/id"
)

// deployment is four tables of a test's own.
type deployment struct {
	*dynamo.Store
	meter  *meter
	client *dynamo.Client
	faults *dynamofault.API
	tables dynamo.Tables
}

// deploy makes a deployment on the endpoint of REKEY_DYNAMODB_ENDPOINT.
func deploy(t testing.TB) *deployment {
	t.Helper()
	endpoint := os.Getenv("REKEY_DYNAMODB_ENDPOINT")
	if endpoint == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("REKEY_DYNAMODB_ENDPOINT is not set: no store was tested")
		}
		t.Skip("REKEY_DYNAMODB_ENDPOINT is not set: this test ran against no DynamoDB; `make test` sets it")
	}
	m := &meter{}
	client := newClient(endpoint, m)
	suffix := string(id.New[id.Operation](rand.Reader))
	d := &deployment{meter: m, client: client, faults: dynamofault.Wrap(client), tables: dynamo.Tables{Identity: "Identity-" + suffix,
		Directory: "Directory-" + suffix, Audit: "Audit-" + suffix, Transient: "Transient-" + suffix}}
	for _, table := range []string{d.tables.Identity, d.tables.Directory, d.tables.Audit, d.tables.Transient} {
		in := &dynamodb.CreateTableInput{TableName: &table, BillingMode: types.BillingModePayPerRequest,
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}, {AttributeName: aws.String("sk"), AttributeType: "S"}},
			KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: "HASH"}, {AttributeName: aws.String("sk"), KeyType: "RANGE"}}}
		if table == d.tables.Identity {
			in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: aws.String("due_shard"), AttributeType: "S"},
				types.AttributeDefinition{AttributeName: aws.String("due_at"), AttributeType: "N"})
			in.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{{IndexName: aws.String("due"), Projection: &types.Projection{ProjectionType: "KEYS_ONLY"},
				KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("due_shard"), KeyType: "HASH"}, {AttributeName: aws.String("due_at"), KeyType: "RANGE"}}}}
		}
		_, err := client.CreateTable(t.Context(), in)
		require.NoError(t, err)
	}
	d.Store = dynamo.New(d.faults, d.tables, fold.Name).WithSleep(noSleep)
	t.Cleanup(func() {
		for _, table := range []string{d.tables.Identity, d.tables.Directory, d.tables.Audit, d.tables.Transient} {
			_, _ = client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &table})
		}
	})
	return d
}

func newClient(endpoint string, h dynamodb.HTTPClient) *dynamo.Client {
	return dynamo.NewClient(dynamo.Config{Region: "us-east-1", Endpoint: endpoint, HTTPClient: h, Now: time.Now,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "none", SessionToken: "none"}, nil
		})})
}

func noSleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// Break cuts the store off (storetest.Breakable).
func (d *deployment) Break(broken bool) {
	if broken {
		d.faults.Set(dynamofault.From(1, dynamofault.Before))
		return
	}
	d.faults.Set(nil)
}
