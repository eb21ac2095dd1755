package bus

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/rekey-dev/rekey/pkg/fault"
)

type sendMessage interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

// Queue is the dead-letter queue. Its methods may be called at the same time.
type Queue struct {
	url    string
	client sendMessage
}

// NewQueue makes a Queue from its URL and the region, credentials, HTTP client, retryer and base endpoint of cfg.
func NewQueue(cfg aws.Config, url string) *Queue {
	return &Queue{url: url, client: sqs.New(sqs.Options{Region: cfg.Region, Credentials: cfg.Credentials,
		HTTPClient: cfg.HTTPClient, BaseEndpoint: cfg.BaseEndpoint, Retryer: cfg.Retryer()})}
}

// Send puts a message of at most 1 MiB on the queue. It returns a fault of kind unavailable when it is not known to be
// there; sending it again is safe for readers that expect repeats.
func (q *Queue) Send(ctx context.Context, body string) error {
	if _, err := q.client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: &body}); err != nil {
		return fault.Down(err)
	}
	return nil
}
