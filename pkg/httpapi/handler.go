package httpapi

import (
	"context"

	"github.com/aws/aws-lambda-go/events"
)

// Handler is a function that answers REST proxy events; API.Handle is one.
type Handler = func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error)
