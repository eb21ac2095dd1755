package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/setup"
)

// Handler tells the two ways in apart: a REST proxy event, and the direct invocation of whoever may invoke the function. API
// Gateway puts nothing of a caller's at the top of its event, so nobody gets from the one to the other.
type Handler struct {
	HTTP    func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error)
	Recover func(ctx context.Context, email, awsRequest string) (setup.Result, error)
	Log     *slog.Logger
}

// recovered is the answer to a direct invocation.
type recovered struct {
	EmployeeID string `json:"employee_id"`
	Token      pat    `json:"personal_access_token"`
	Secret     string `json:"secret"`
	Next       string `json:"next"`
}

// Invoke is the Lambda handler.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var direct struct {
		RecoverOwner   *string         `json:"recover_owner"`
		RequestContext json.RawMessage `json:"requestContext"`
	}
	if err := json.Unmarshal(payload, &direct); err != nil {
		return nil, errors.New("setup: the payload is neither a REST proxy event nor {\"recover_owner\": \"<e-mail>\"}")
	}
	if direct.RecoverOwner == nil || direct.RequestContext != nil {
		var e events.APIGatewayProxyRequest
		if err := json.Unmarshal(payload, &e); err != nil || e.HTTPMethod == "" {
			return nil, errors.New("setup: the payload is neither a REST proxy event nor {\"recover_owner\": \"<e-mail>\"}")
		}
		out, err := h.HTTP(ctx, e)
		if err != nil {
			return nil, err
		}
		return json.Marshal(out)
	}
	request := ""
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		request = lc.AwsRequestID
	}
	r, err := h.Recover(ctx, *direct.RecoverOwner, request)
	if err != nil {
		var f *fault.Error
		if errors.As(err, &f) && f.Kind != fault.Unavailable {
			return nil, fmt.Errorf("setup: %s: %s", f.Kind, f.Detail)
		}
		h.Log.Error("an owner was not recovered", "error", err, "request_id", request)
		return nil, errors.New("setup: the owner was not recovered; the function's log says why")
	}
	return json.Marshal(recovered{EmployeeID: string(r.Employee.ID), Secret: r.Secret.Reveal(),
		Token: pat{ID: string(r.Token.ID), Name: r.Token.Name, Prefix: r.Token.Prefix(), ExpiresAt: httpapi.TimeText(r.Token.ExpiresAt)},
		Next:  "Store the secret: it is shown this once. Send it as Authorization: Bearer."})
}
