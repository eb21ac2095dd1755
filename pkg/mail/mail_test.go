package mail

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/notice"
)

var letter = notice.Letter{To: "blue@example.com", Subject: "rekey: 1 key ends soon", Text: "text: ö", HTML: "<p>html</p>"}

// ses answers every call with a status, an error code and a body, and counts the calls.
func ses(t *testing.T, status int, code, body string, see func(*http.Request, []byte)) (*Sender, *int) {
	t.Helper()
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		text, _ := io.ReadAll(r.Body)
		if see != nil {
			see(r, text)
		}
		w.Header().Set("Content-Type", "application/json")
		if code != "" {
			w.Header().Set("X-Amzn-Errortype", code)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return New(aws.Config{Region: "eu-central-1", BaseEndpoint: &server.URL, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "signing"}, nil
	})}, "keys@example.org"), &calls
}

func TestSend_HandsTheLetterOverAsItIs(t *testing.T) {
	s, calls := ses(t, 200, "", `{"MessageId":"m-1"}`, func(r *http.Request, text []byte) {
		require.Equal(t, "/v2/email/outbound-emails", r.URL.Path)
		require.Contains(t, r.Header.Get("Authorization"), "/ses/aws4_request")
		var in struct {
			FromEmailAddress string
			Destination      struct{ ToAddresses, CcAddresses []string }
			Content          struct {
				Simple struct {
					Subject struct{ Data, Charset string }
					Body    struct {
						Text, Html struct{ Data, Charset string }
					}
					Headers []struct{ Name, Value string }
				}
			}
		}
		require.NoError(t, json.Unmarshal(text, &in))
		require.Equal(t, "keys@example.org", in.FromEmailAddress)
		require.Equal(t, []string{"blue@example.com"}, in.Destination.ToAddresses)
		simple := in.Content.Simple
		require.Equal(t, letter.Subject, simple.Subject.Data)
		require.Equal(t, letter.Text, simple.Body.Text.Data)
		require.Equal(t, letter.HTML, simple.Body.Html.Data)
		require.Equal(t, "UTF-8", simple.Body.Html.Charset)
		require.Equal(t, "Auto-Submitted", simple.Headers[0].Name)
		require.Equal(t, "auto-generated", simple.Headers[0].Value)
	})
	message, err := s.Send(t.Context(), letter)
	require.NoError(t, err)
	require.Equal(t, "m-1", message)
	require.Equal(t, 1, *calls)
}

func TestSend_TellsARefusalFromWhatMayPassAndTriesOnce(t *testing.T) {
	for _, c := range []struct {
		status        int
		code, message string
		refused       bool
	}{
		{400, "MessageRejected", "Email address is not verified. The following identities failed the check in region EU-CENTRAL-1: blue@example.com", true},
		{400, "MessageRejected", "Email address is not verified. The following identities failed the check in region EU-CENTRAL-1: Keys@example.org", false},
		{400, "BadRequestException", "Local address contains control or whitespace", true},
		{400, "MailFromDomainNotVerifiedException", "", false},
		{400, "SendingPausedException", "", false},
		{400, "AccountSuspendedException", "", false},
		{400, "LimitExceededException", "Daily message quota exceeded.", false},
		{429, "TooManyRequestsException", "Maximum sending rate exceeded.", false},
		{403, "AccessDeniedException", "not authorized to perform `ses:SendEmail'", false},
		{404, "NotFoundException", "", false},
		{500, "InternalFailure", "", false},
		{503, "ServiceUnavailable", "", false},
	} {
		s, calls := ses(t, c.status, c.code, `{"message":"`+c.message+`"}`, nil)
		_, err := s.Send(t.Context(), letter)
		var refused *notice.Refused
		require.Equal(t, c.refused, err != nil && errors.As(err, &refused), "%s: %v", c.code, err)
		require.Equal(t, !c.refused, fault.Is(err, fault.Unavailable), "%s: %v", c.code, err)
		if c.refused {
			require.Equal(t, c.code, refused.Code)
			require.Equal(t, c.message, refused.Message)
		}
		require.Equal(t, 1, *calls, "%s: a second try could be a second letter", c.code)
	}
}

func TestSend_NoAnswerIsUnavailable(t *testing.T) {
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	s := New(aws.Config{Region: "eu-central-1", BaseEndpoint: &down.URL, Credentials: aws.AnonymousCredentials{}}, "keys@example.org")
	_, err := s.Send(t.Context(), letter)
	require.True(t, fault.Is(err, fault.Unavailable), err)
}
