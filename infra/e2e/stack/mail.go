package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Letter is a message that the deployment has sent.
type Letter struct {
	From    string   `json:"Source"`
	To      []string `json:"To"`
	CC, BCC []string
	Subject string
	Text    string `json:"BodyText"`
	HTML    string `json:"BodyHtml"`
}

// Letters returns every message that was sent, from the emulator's inbox.
func (s *Stack) Letters(ctx context.Context) ([]Letter, error) {
	if s.Mail.InboxURL == "" {
		return nil, fmt.Errorf("stack: there is no inbox: it is not the local stack")
	}
	text, err := s.inbox(ctx)
	if err != nil {
		return nil, err
	}
	var accounts struct {
		Messages map[string][]Letter `json:"messages"`
	}
	if err := json.Unmarshal(text, &accounts); err != nil {
		return nil, fmt.Errorf("stack: the inbox: %w: %.300s", err, text)
	}
	var out []Letter
	for _, letters := range accounts.Messages {
		out = append(out, letters...)
	}
	return out, nil
}

func (s *Stack) inbox(ctx context.Context) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Mail.InboxURL, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("stack: the inbox: %d: %.300s", answer.StatusCode, text)
	}
	return text, err
}
