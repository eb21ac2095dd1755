package stack

import (
	"context"
	"encoding/json"
	"fmt"
)

// Subscribe makes a queue that gets every event which rekey puts on its bus from now on, and returns the queue's URL.
func (s *Stack) Subscribe(ctx context.Context, name string) (string, error) {
	queue, err := call[struct{ QueueURL string }](ctx, s, "AmazonSQS", "CreateQueue", map[string]any{"QueueName": name,
		"Attributes": map[string]string{"VisibilityTimeout": "0", "MessageRetentionPeriod": "86400"}})
	if err != nil {
		return "", err
	}
	described, err := call[struct{ Attributes map[string]string }](ctx, s, "AmazonSQS", "GetQueueAttributes",
		map[string]any{"QueueUrl": queue.QueueURL, "AttributeNames": []string{"QueueArn"}})
	if err != nil {
		return "", err
	}
	rule := map[string]any{"Name": name, "EventBusName": s.Bus, "EventPattern": `{"source":["rekey"]}`, "State": "ENABLED"}
	if _, err := s.Call(ctx, "AWSEvents", "PutRule", rule); err != nil {
		return "", err
	}
	targets := map[string]any{"Rule": name, "EventBusName": s.Bus,
		"Targets": []map[string]string{{"Id": "queue", "Arn": described.Attributes["QueueArn"]}}}
	put, err := call[struct{ FailedEntryCount int }](ctx, s, "AWSEvents", "PutTargets", targets)
	if err == nil && put.FailedEntryCount > 0 {
		err = fmt.Errorf("stack: the bus refuses the queue %s", queue.QueueURL)
	}
	return queue.QueueURL, err
}

// DeadLetters returns the messages on the dead-letter queue.
func (s *Stack) DeadLetters(ctx context.Context) ([]string, error) {
	return s.Receive(ctx, s.Queues.DeadLetter)
}

// Receive returns the bodies of the messages that wait in a queue and leaves them there: they are hidden while the queue is
// read, so that none is returned twice.
func (s *Stack) Receive(ctx context.Context, queue string) ([]string, error) {
	type message struct{ Body, ReceiptHandle string }
	type page struct{ Messages []message }
	var bodies []string
	var taken []message
	for {
		p, err := call[page](ctx, s, "AmazonSQS", "ReceiveMessage", map[string]any{"QueueUrl": queue, "MaxNumberOfMessages": 10,
			"VisibilityTimeout": 3600, "WaitTimeSeconds": 0, "AttributeNames": []string{"All"}})
		if err != nil {
			return nil, err
		}
		for _, m := range p.Messages {
			bodies = append(bodies, m.Body)
		}
		taken = append(taken, p.Messages...)
		if len(p.Messages) == 0 {
			break
		}
	}
	for _, m := range taken {
		_, err := s.Call(ctx, "AmazonSQS", "ChangeMessageVisibility", map[string]any{"QueueUrl": queue,
			"ReceiptHandle": m.ReceiptHandle, "VisibilityTimeout": 0})
		if err != nil {
			return nil, err
		}
	}
	return bodies, nil
}

// Event is what a rule on the bus delivers.
type Event struct {
	Source     string `json:"source"`
	DetailType string `json:"detail-type"`
	Detail     struct {
		EventID   string                    `json:"event_id"`
		Sequence  int64                     `json:"sequence"`
		Action    string                    `json:"action"`
		Actor     struct{ Type, ID string } `json:"actor"`
		Target    struct{ Type, ID string } `json:"target"`
		RequestID string                    `json:"request_id"`
		Data      map[string]any            `json:"data"`
	} `json:"detail"`
}

// Events returns the events that wait in a queue made by Subscribe.
func (s *Stack) Events(ctx context.Context, queue string) ([]Event, error) {
	bodies, err := s.Receive(ctx, queue)
	if err != nil {
		return nil, err
	}
	events := make([]Event, len(bodies))
	for i, body := range bodies {
		if err := json.Unmarshal([]byte(body), &events[i]); err != nil {
			return nil, fmt.Errorf("stack: an event of %s is not JSON: %w", queue, err)
		}
	}
	return events, nil
}
