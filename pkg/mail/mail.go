// Package mail is rekey's only door to Amazon SES: it sends letters from one verified address.
//
// It tells apart a letter that its recipient will not get, which is not worth trying again, and everything else: SES that does
// not answer, a sender that is not verified, a quota that is used up. A letter is handed over once and never sent again by the
// client: after an unknown outcome the caller decides, as a second try may be a second letter. The package knows nothing of what
// a letter says.
package mail

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	transport "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/notice"
)

// callTime bounds one call. SES takes a letter in a tenth of a second, and after a pause in up to some seconds.
const callTime = 10 * time.Second

type sendEmail interface {
	SendEmail(context.Context, *sesv2.SendEmailInput, ...func(*sesv2.Options)) (*sesv2.SendEmailOutput, error)
}

// Sender sends letters from one address. Its methods may be called at the same time.
type Sender struct {
	from   string
	client sendEmail
}

// New makes a Sender from its address, which has to be verified, and the region, credentials and base endpoint of cfg. Its HTTP
// client is its own, as that of the other clients gives up after a second.
func New(cfg aws.Config, from string) *Sender {
	return &Sender{from: from, client: sesv2.New(sesv2.Options{Region: cfg.Region, Credentials: cfg.Credentials, BaseEndpoint: cfg.BaseEndpoint,
		Retryer: aws.NopRetryer{}, HTTPClient: transport.NewBuildableClient().WithTimeout(callTime)})}
}

// Send hands a letter over and returns the ID that SES gave it. It returns *notice.Refused when the recipient will not get the
// letter, and a fault of kind unavailable otherwise; then it may have been sent.
func (s *Sender) Send(ctx context.Context, l notice.Letter) (string, error) {
	text := func(data string) *types.Content { return &types.Content{Data: &data, Charset: aws.String("UTF-8")} }
	out, err := s.client.SendEmail(ctx, &sesv2.SendEmailInput{
		FromEmailAddress: &s.from,
		Destination:      &types.Destination{ToAddresses: []string{l.To}},
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: text(l.Subject),
			Body:    &types.Body{Text: text(l.Text), Html: text(l.HTML)},
			// RFC 3834: no out-of-office note comes back.
			Headers: []types.MessageHeader{{Name: aws.String("Auto-Submitted"), Value: aws.String("auto-generated")}},
		}},
	})
	if err != nil {
		return "", s.failed(err)
	}
	return aws.ToString(out.MessageId), nil
}

// refusals are the codes of letters that SES will not take to this recipient. All others are not the recipient's fault: the
// sender's address or its MAIL FROM domain is not verified, the account's sending is paused or its quota used up, the role lacks
// the right, SES is throttling or does not answer.
var refusals = map[string]bool{"MessageRejected": true, "BadRequestException": true}

func (s *Sender) failed(err error) error {
	var api smithy.APIError
	// In the sandbox, and for a sender that is not verified, the code is the same: the message names the addresses that failed.
	if errors.As(err, &api) && refusals[api.ErrorCode()] && !strings.Contains(strings.ToLower(api.ErrorMessage()), strings.ToLower(s.from)) {
		return &notice.Refused{Code: api.ErrorCode(), Message: api.ErrorMessage()}
	}
	return fault.Down(err)
}
