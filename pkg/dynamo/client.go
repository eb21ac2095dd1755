package dynamo

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	transport "github.com/aws/smithy-go/endpoints"
	"github.com/aws/smithy-go/middleware"

	"github.com/rekey-dev/rekey/pkg/awsjson"
)

// API is what this package calls of DynamoDB's client.
type API interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

// Bounds of one call. A verdict waits for at most a few of them, well within a function's and the gateway's own.
const (
	dialTimeout    = 500 * time.Millisecond
	tlsTimeout     = time.Second // on the smallest function a handshake takes half of it
	attemptTimeout = time.Second // with the dialling of a first one
	maxAttempts    = 3
	maxBackoff     = 100 * time.Millisecond
	idleTimeout    = 10 * time.Minute // a frozen environment thaws with its connection
)

// Config says where DynamoDB is and who calls.
type Config struct {
	Region      string
	Credentials aws.CredentialsProvider
	Endpoint    string              // "" for AWS's own
	HTTPClient  dynamodb.HTTPClient // nil for one with short timeouts
	Now         func() time.Time    // has to be there
}

// NewClient makes a client without the SDK's shared configuration, whose defaults wait 30 seconds for a connection and a
// second after a throttled call: at most 3 attempts, 100 ms between two of them; the read of a verdict has one more before
// them (Client).
func NewClient(c Config) *Client {
	if c.HTTPClient == nil {
		c.HTTPClient = newHTTPClient()
	}
	o := dynamodb.Options{
		Region:                          c.Region,
		Credentials:                     c.Credentials,
		HTTPClient:                      oneWrite{c.HTTPClient},
		APIOptions:                      []func(*middleware.Stack) error{lean},
		DisableValidateResponseChecksum: true, // protocol does it
		AccountIDEndpointMode:           aws.AccountIDEndpointModeDisabled,
		EndpointDiscovery:               dynamodb.EndpointDiscoveryOptions{EnableEndpointDiscovery: aws.EndpointDiscoveryDisabled},
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = maxAttempts
			o.MaxBackoff = maxBackoff
			o.Backoff = backoff{}
		}),
	}
	if c.Endpoint != "" {
		o.BaseEndpoint = &c.Endpoint
	}
	r := resolveOnce(o)
	o.EndpointResolverV2 = r
	out := &Client{Client: dynamodb.New(o, func(o *dynamodb.Options) { o.Protocol = protocol{o.Protocol} })}
	if r.err == nil {
		out.direct = awsjson.New(awsjson.Service{Name: "dynamodb", Target: "DynamoDB_20120810", Version: "1.0", Region: c.Region,
			Endpoint: r.endpoint.URI, Credentials: c.Credentials, HTTP: c.HTTPClient, Now: c.Now})
	}
	return out
}

// resolved is an endpoint that does not change.
type resolved struct {
	endpoint transport.Endpoint
	err      error
}

// resolveOnce evaluates the SDK's rules once instead of at every call.
func resolveOnce(o dynamodb.Options) resolved {
	p := dynamodb.EndpointParameters{Region: &o.Region, Endpoint: o.BaseEndpoint}.WithDefaults()
	e, err := dynamodb.NewDefaultEndpointResolverV2().ResolveEndpoint(context.Background(), p)
	return resolved{e, err}
}

// ResolveEndpoint returns it.
func (r resolved) ResolveEndpoint(context.Context, dynamodb.EndpointParameters) (transport.Endpoint, error) {
	return r.endpoint, r.err
}

// lean takes out what does nothing for this client: endpoints are not discovered, no invocation is named or timed, nothing
// intercepts. Each costs allocations in every call; one that the SDK has renamed shows in the budget of them.
func lean(s *middleware.Stack) error {
	for _, id := range []string{"ClientRequestID", "RecursionDetection"} {
		_, _ = s.Build.Remove(id)
	}
	for _, id := range []string{"InterceptBeforeRetryLoop", "InterceptAttempt", "disableHTTPS", "DiscoverEndpoint", "setLegacyContextSigningOptions"} {
		_, _ = s.Finalize.Remove(id)
	}
	for _, id := range []string{"RecordResponseTiming", "RequestResponseLogger"} {
		_, _ = s.Deserialize.Remove(id)
	}
	return nil
}

func newHTTPClient() *http.Client {
	return &http.Client{
		Timeout: attemptTimeout,
		// DynamoDB does not redirect; a request's signature is of its own host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout: tlsTimeout,
			IdleConnTimeout:     idleTimeout,
			MaxIdleConnsPerHost: 16,
		},
	}
}

// Warm opens the connection to DynamoDB by reading an item that is not there: of Identity or, for whoever does not use that, of
// Directory.
func (v *Verifier) Warm(ctx context.Context) (err error) {
	defer wrap(&err, "Verifier.Warm")
	_, err = v.getItem(ctx, cmp.Or(v.tables.Identity, v.tables.Directory), warmKey())
	return err
}
