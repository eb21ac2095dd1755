// Package secretstest is AWS Secrets Manager for tests, as far as rekey calls it, and STS's AssumeRole: a server that follows
// the documented rules of versions and labels, and that can fail before, after and instead of a call's effect. A call that it
// does not know fails the test.
package secretstest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Secret is one secret.
type Secret struct {
	Tags     map[string]string
	Versions map[string]*string // text by version; nil for one without a text yet
	Labels   map[string]string  // version by label
	Deleted  bool               // scheduled for deletion
	Rotating bool
}

// Failure is what a call meets.
type Failure struct {
	Drop    bool   // the connection ends without an answer
	Code    string // else the error's code
	Message string
	Effect  bool // the call takes effect all the same
}

// Call is a call that came in.
type Call struct {
	Operation string
	Secret    string
	Key       string // access key ID
	Region    string
	In        map[string]any
}

// Service is the server's state. Its methods may be called at the same time; its fields are set between calls.
type Service struct {
	URL     string
	Client  *http.Client
	Secrets map[string]*Secret
	// Fail says what the n-th call meets, counted from 1; nil for nothing.
	Fail  func(n int, c Call) *Failure
	Calls []Call

	mu sync.Mutex
	t  testing.TB
}

// New makes a service without secrets. Its client calls it in the caller's own goroutine, so that nothing of a call goes on
// when it has ended, also when its answer was lost.
func New(t testing.TB) *Service {
	s := &Service{URL: "http://secretsmanager.invalid", Secrets: map[string]*Secret{}, t: t}
	s.Client = &http.Client{Transport: direct{s}}
	return s
}

// direct hands requests to a handler; one that aborts is a connection that ends without an answer.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	answer := httptest.NewRecorder()
	defer func() {
		switch aborted := recover(); aborted {
		case nil:
		case http.ErrAbortHandler:
			resp, err = nil, io.ErrUnexpectedEOF
		default:
			panic(aborted)
		}
	}()
	d.handler.ServeHTTP(answer, r)
	return answer.Result(), nil
}

// Add makes a secret with one current version named "first"; text "" is a secret without a value.
func (s *Service) Add(name, text string, tags map[string]string) *Secret {
	secret := &Secret{Tags: tags, Versions: map[string]*string{}, Labels: map[string]string{}}
	if text != "" {
		secret.Versions["first"], secret.Labels["AWSCURRENT"] = &text, "first"
	}
	s.Secrets[name] = secret
	return secret
}

// Text is the text of the version with a label; "" for none.
func (s *Secret) Text(label string) string {
	if text := s.Versions[s.Labels[label]]; text != nil {
		return *text
	}
	return ""
}

// Operations are the calls that came in, in order.
func (s *Service) Operations() []string {
	var out []string
	for _, c := range s.Calls {
		out = append(out, c.Operation)
	}
	return out
}

func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if target, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager."); ok {
		s.serve(w, r, target, body)
		return
	}
	s.assume(w, r, body)
}

func caller(r *http.Request) (key, region string) {
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	parts := strings.Split(credential, "/")
	if len(parts) < 3 {
		return "", ""
	}
	return parts[0], parts[2]
}

func (s *Service) serve(w http.ResponseWriter, r *http.Request, operation string, body []byte) {
	var in map[string]any
	if err := json.Unmarshal(body, &in); err != nil {
		s.t.Errorf("%s: %v", operation, err)
	}
	c := Call{Operation: operation, In: in}
	c.Key, c.Region = caller(r)
	c.Secret, _ = in["SecretId"].(string)
	s.Calls = append(s.Calls, c)
	var f *Failure
	if s.Fail != nil {
		f = s.Fail(len(s.Calls), c)
	}
	var out any
	var code, message string
	if f == nil || f.Effect {
		out, code, message = s.do(c)
	}
	switch {
	case f != nil && f.Drop:
		panic(http.ErrAbortHandler)
	case f != nil:
		code, message = f.Code, f.Message
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if code == "" {
		_ = json.NewEncoder(w).Encode(out)
		return
	}
	w.WriteHeader(status(code))
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": message})
}

func status(code string) int {
	if code == "InternalServiceError" || code == "ServiceUnavailable" {
		return 500
	}
	return 400
}

const (
	notFound = "ResourceNotFoundException"
	invalid  = "InvalidParameterException"
)

// do is the call's effect and answer, by the API reference of Secrets Manager (2017-10-17).
func (s *Service) do(c Call) (out any, code, message string) {
	secret := s.Secrets[c.Secret]
	if secret == nil {
		return nil, notFound, "Secrets Manager can't find the specified secret."
	}
	if secret.Deleted && c.Operation != "DescribeSecret" {
		return nil, "InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion."
	}
	text := func(member string) string { v, _ := c.In[member].(string); return v }
	switch c.Operation {
	case "DescribeSecret":
		return secret.describe(c.Secret), "", ""
	case "GetSecretValue":
		version, label := text("VersionId"), text("VersionStage")
		if version == "" {
			if label == "" {
				label = "AWSCURRENT"
			}
			version = secret.Labels[label]
		}
		value := secret.Versions[version]
		if value == nil || label != "" && secret.Labels[label] != version {
			return nil, notFound, "Secrets Manager can't find the specified secret value."
		}
		return map[string]any{"ARN": c.Secret, "VersionId": version, "SecretString": *value}, "", ""
	case "PutSecretValue":
		return secret.put(c, text("ClientRequestToken"), text("SecretString"))
	case "UpdateSecretVersionStage":
		return secret.label(text("VersionStage"), text("RemoveFromVersionId"), text("MoveToVersionId"))
	}
	s.t.Errorf("unexpected %s", c.Operation)
	return nil, "InvalidAction", ""
}

func (s *Secret) describe(arn string) map[string]any {
	stages := map[string][]string{}
	for _, label := range slices.Sorted(maps.Keys(s.Labels)) {
		stages[s.Labels[label]] = append(stages[s.Labels[label]], label)
	}
	tags := []map[string]string{}
	for k, v := range s.Tags {
		tags = append(tags, map[string]string{"Key": k, "Value": v})
	}
	out := map[string]any{"ARN": arn, "Tags": tags, "VersionIdsToStages": stages, "RotationEnabled": s.Rotating}
	if s.Deleted {
		out["DeletedDate"] = 1795251600.0
	}
	return out
}

// put makes a version: one that is there never changes, the first one is current at once.
func (s *Secret) put(c Call, version, text string) (any, string, string) {
	if len(version) < 32 || len(version) > 64 || len(text) > 65536 {
		return nil, invalid, fmt.Sprintf("Value '%s' failed to satisfy a constraint", text)
	}
	if old := s.Versions[version]; old != nil && *old != text {
		return nil, "ResourceExistsException", "The version exists with another value."
	}
	first := s.Labels["AWSCURRENT"] == ""
	s.Versions[version] = &text
	labels, _ := c.In["VersionStages"].([]any)
	for _, l := range labels {
		s.Labels[l.(string)] = version
	}
	if first {
		s.Labels["AWSCURRENT"] = version
	}
	return map[string]any{"VersionId": version}, "", ""
}

// label moves a label: only from where it is, and AWSPREVIOUS follows AWSCURRENT.
func (s *Secret) label(label, from, to string) (any, string, string) {
	at, attached := s.Labels[label]
	if _, ok := s.Versions[to]; to != "" && !ok {
		return nil, notFound, "Secrets Manager can't find the specified secret version."
	}
	if attached && at != to && from != at || !attached && from != "" {
		return nil, invalid, "The staging label is not where the request says."
	}
	switch {
	case to == "":
		delete(s.Labels, label)
	case at != to:
		s.Labels[label] = to
		if label == "AWSCURRENT" && attached {
			s.Labels["AWSPREVIOUS"] = at
		}
	}
	return map[string]any{}, "", ""
}

// assume answers STS's AssumeRole: the access key of a role is "ASIA" and the role's ARN.
func (s *Service) assume(w http.ResponseWriter, r *http.Request, body []byte) {
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("Action") != "AssumeRole" {
		s.t.Errorf("unexpected request: %s", body)
	}
	c := Call{Operation: "AssumeRole", In: map[string]any{}}
	c.Key, c.Region = caller(r)
	for name := range form {
		c.In[name] = form.Get(name)
	}
	s.Calls = append(s.Calls, c)
	w.Header().Set("Content-Type", "text/xml")
	if s.Fail != nil {
		if f := s.Fail(len(s.Calls), c); f != nil {
			if f.Drop {
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, "<ErrorResponse><Error><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>", f.Code, f.Message)
			return
		}
	}
	_, _ = fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA%s</AccessKeyId><SecretAccessKey>signing</SecretAccessKey>`+
		`<SessionToken>session</SessionToken><Expiration>2026-11-21T10:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
		strings.NewReplacer(":", "", "/", "", "-", "").Replace(form.Get("RoleArn")))
}
