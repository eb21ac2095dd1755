// Command probe is the function behind the tests of the local stack: authorizer, handler, stream consumer and rotator in one,
// chosen by the variable ROLE. It shows what it was given and does what it is told.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	switch role := os.Getenv("ROLE"); role {
	case "authorizer":
		lambda.Start(authorize)
	case "consumer":
		lambda.Start(consume)
	case "rotator":
		lambda.Start(rotate)
	case "handler":
		lambda.Start(handle)
	default:
		fmt.Fprintf(os.Stderr, "unknown ROLE %q\n", role)
		os.Exit(1)
	}
}

// authorize denies who sends "X-Probe: deny"; the context carries what the authorizer saw.
func authorize(_ context.Context, event map[string]any) (map[string]any, error) {
	headers, _ := event["headers"].(map[string]any)
	effect := "Allow"
	for name, value := range headers {
		if strings.EqualFold(name, "X-Probe") && value == "deny" {
			effect = "Deny"
		}
	}
	seen, err := json.Marshal(event)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"principalId": "probe",
		"policyDocument": map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
			"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"],
		}}},
		"context": map[string]any{"reason": "needs keys:issue", "event": string(seen)},
	}, nil
}

// handle answers with its event and its process, after "sleep" milliseconds, or fails when "fail" is in the query.
func handle(_ context.Context, event map[string]any) (events.APIGatewayProxyResponse, error) {
	query, _ := event["queryStringParameters"].(map[string]any)
	if query["fail"] != nil {
		return events.APIGatewayProxyResponse{}, errors.New("the probe fails with a secret detail")
	}
	if wait, ok := query["sleep"].(string); ok {
		duration, err := time.ParseDuration(wait)
		if err != nil {
			return events.APIGatewayProxyResponse{}, err
		}
		time.Sleep(duration)
	}
	body, err := json.Marshal(map[string]any{"event": event, "process": os.Getpid(), "environment": os.Environ()})
	if err != nil {
		return events.APIGatewayProxyResponse{}, err
	}
	return events.APIGatewayProxyResponse{StatusCode: 200, Body: string(body)}, nil
}

// consume writes each record's sort key to the log; "poison" fails its whole batch, "reported" only itself.
func consume(_ context.Context, event events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
	var response events.DynamoDBEventResponse
	for _, record := range event.Records {
		key := record.Change.Keys["sk"].String()
		fmt.Println("record", key)
		if strings.HasPrefix(key, "poison") {
			return response, errors.New("poison")
		}
		if strings.HasPrefix(key, "reported") {
			response.BatchItemFailures = append(response.BatchItemFailures,
				events.DynamoDBBatchItemFailure{ItemIdentifier: record.Change.SequenceNumber})
			return response, nil
		}
	}
	return response, nil
}

// rotate writes each step of a rotation to the log, and fails at a secret's third whose name has "broken" in it.
func rotate(_ context.Context, event events.SecretsManagerSecretRotationEvent) error {
	fmt.Println("step", event.SecretID, event.ClientRequestToken, event.Step)
	if strings.Contains(event.SecretID, "broken") && event.Step == "testSecret" {
		return errors.New("broken")
	}
	return nil
}
