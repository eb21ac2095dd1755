// Command recordings is a small API that rekey guards: an example of what stands behind a protected API.
//
//	GET    /recordings        needs recordings:read
//	GET    /recordings/{id}   needs recordings:read
//	DELETE /recordings/{id}   needs recordings:delete
//
// It asks for no key itself: rekey's authorizer has done so, and hands on whose request it is.
package main

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

// recording is what the API shows.
type recording struct {
	ID      string `json:"id"`
	Caller  string `json:"caller"`
	Seconds int    `json:"seconds"`
}

var recordings = []recording{{"rec-1", "+49 30 5550101", 62}, {"rec-2", "+49 30 5550102", 184}}

func main() { lambda.Start(handle) }

func handle(_ context.Context, r events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	i := slices.IndexFunc(recordings, func(one recording) bool { return one.ID == r.PathParameters["id"] })
	switch {
	case r.Resource == "/recordings":
		return answer(200, map[string]any{"items": recordings, "for": r.RequestContext.Authorizer["principal"]})
	case i < 0:
		return answer(404, map[string]any{"detail": "There is no such recording."})
	case r.HTTPMethod == "DELETE":
		return answer(200, map[string]any{"deleted": recordings[i].ID}) // an example forgets nothing
	}
	return answer(200, recordings[i])
}

func answer(status int, body any) (events.APIGatewayProxyResponse, error) {
	text, err := json.Marshal(body)
	return events.APIGatewayProxyResponse{StatusCode: status, Headers: map[string]string{"Content-Type": "application/json"}, Body: string(text)}, err
}
