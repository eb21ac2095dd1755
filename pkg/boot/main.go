package boot

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// Main is the main of every function: it builds the handler from the process's environment and serves requests with it. A
// handler that cannot be built ends the process with one line that says why. H is anything that lambda.Start takes.
func Main[H any](newHandler func(ctx context.Context, lookup Lookup) (H, error)) {
	h, err := newHandler(context.Background(), os.LookupEnv)
	if err != nil {
		slog.New(slog.NewJSONHandler(os.Stdout, nil)).Error("cannot start", "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(h)
}

// RequestID is Lambda's ID of the invocation; "" outside Lambda.
func RequestID(ctx context.Context) string {
	if c, ok := lambdacontext.FromContext(ctx); ok {
		return c.AwsRequestID
	}
	return ""
}
