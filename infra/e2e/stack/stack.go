// Package stack finds a running deployment and what surrounds it: the addresses and names that the local stack writes down, and
// the tables, logs, queues and buckets in which a secret could have come to rest.
//
// It speaks AWS's JSON protocol itself (a POST whose X-Amz-Target names the operation), so that every service is one function
// and what a service answers can be searched byte by byte. Only tests and measurements use it; the product never does.
package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// FileVariable names the environment variable that holds the path of stack.json.
const FileVariable = "REKEY_STACK"

// ErrNone says that no deployment was named.
var ErrNone = errors.New("stack: " + FileVariable + " is not set")

// Stack is where a deployment is. `make run` and `make test` write it.
type Stack struct {
	APIURL      string `json:"api_url"` // with the stage, without a slash at the end
	EndpointURL string `json:"aws_endpoint_url"`
	Region      string `json:"region"`
	SetupCode   string `json:"setup_code"`
	Tables      struct{ Identity, Directory, Audit, Transient string }
	Bus         string `json:"bus"`
	Queues      struct {
		DeadLetter string `json:"dead_letter"` // its URL
	} `json:"queues"`
	SignIn struct {
		Origin string `json:"origin"` // of a page that people sign in on
	} `json:"sign_in"`
	Example struct { // the API that rekey guards, with --example
		URL   string `json:"url"` // with the stage, without a slash at the end
		APIID string `json:"api_id"`
		Stage string `json:"stage"`
	} `json:"example"`
	Mail struct {
		Sender   string `json:"sender"`
		InboxURL string `json:"inbox_url"` // of the local stack: every letter that was sent
	} `json:"mail"`
}

// Load reads the file that REKEY_STACK names. It returns ErrNone when the variable is not set.
func Load() (*Stack, error) {
	path := os.Getenv(FileVariable)
	if path == "" {
		return nil, ErrNone
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("stack: %w", err)
	}
	var s Stack
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("stack: %s: %w", path, err)
	}
	if s.APIURL == "" || s.EndpointURL == "" || s.Tables.Identity == "" || s.Bus == "" {
		return nil, fmt.Errorf("stack: %s lacks api_url, aws_endpoint_url, tables or bus", path)
	}
	return &s, nil
}
