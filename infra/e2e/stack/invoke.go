package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Invoke calls a function directly, as whoever may do so in the AWS account, and returns its answer. The function is named as in
// the template (SetupFunction); what it fails with is in the answer, as errorMessage.
func (s *Stack) Invoke(ctx context.Context, logicalID string, payload []byte) ([]byte, error) {
	name, err := s.FunctionName(ctx, logicalID)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.EndpointURL+"/2015-03-31/functions/"+url.PathEscape(name)+"/invocations",
		bytes.NewReader(payload))
	if err != nil {
		return nil, err
	}
	return s.send(ctx, r, "lambda", payload)
}

// FunctionName finds the physical name that CloudFormation gave a function: the stack's name, the logical ID and a suffix.
func (s *Stack) FunctionName(ctx context.Context, logicalID string) (string, error) {
	for marker := ""; ; {
		text, err := s.get(ctx, "lambda", "/2015-03-31/functions/?Marker="+url.QueryEscape(marker))
		if err != nil {
			return "", err
		}
		var page struct {
			Functions  []struct{ FunctionName string }
			NextMarker string
		}
		if err := json.Unmarshal(text, &page); err != nil {
			return "", err
		}
		for _, f := range page.Functions {
			if strings.Contains(f.FunctionName, "-"+logicalID+"-") {
				return f.FunctionName, nil
			}
		}
		if marker = page.NextMarker; marker == "" {
			return "", fmt.Errorf("stack: there is no function %s", logicalID)
		}
	}
}
