// Package boot is what a function does before its first request: it reads its settings from the environment, builds the
// clients, stores and keyrings that it was asked for, and warms them, so that no request pays for a certificate, a
// connection or a key.
//
// Nothing is read from the environment after that. Every setting that is missing or bad is named in one error. The package
// builds AWS's clients from the environment variables that Lambda sets, without the SDK's shared configuration: that would
// add a third to the authorizer's binary and look for files and services that are not there. It decides nothing, and it
// does not know the event bus: whatever it imports is linked into the authorizer.
package boot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/rekey-dev/rekey/pkg/secrets"
	"github.com/rekey-dev/rekey/pkg/telemetry"
)

// Lookup finds an environment variable, as os.LookupEnv does.
type Lookup = func(name string) (value string, ok bool)

// warmFor bounds the warming of everything; Lambda gives a function's start 10 seconds.
const warmFor = 5 * time.Second

// Environment reads settings and builds what depends on them. What it returns may be used once Ready has returned nil.
type Environment struct {
	lookup  Lookup
	missing []string
	bad     []string
	aws     aws.Config
	log     *slog.Logger
	secrets *secrets.Client
	warm    []warmer
}

type warmer struct {
	what string
	do   func(context.Context) error
}

// Read begins with what every function has: the region, the credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
// AWS_SESSION_TOKEN), AWS_ENDPOINT_URL if all of AWS is somewhere else, and REKEY_LOG_LEVEL (debug, info, warn or error; info
// when it is not set).
func Read(lookup Lookup) *Environment {
	e := &Environment{lookup: lookup}
	e.log = slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: e.level()}))
	credentials := aws.Credentials{AccessKeyID: e.Text("AWS_ACCESS_KEY_ID"), SecretAccessKey: e.Text("AWS_SECRET_ACCESS_KEY"),
		SessionToken: e.OptionalText("AWS_SESSION_TOKEN"), Source: "environment"}
	e.aws = aws.Config{
		Region:     e.Text("AWS_REGION"),
		HTTPClient: newHTTPClient(),
		Retryer:    newRetryer,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return credentials, nil
		}),
	}
	if endpoint := e.OptionalText("AWS_ENDPOINT_URL"); endpoint != "" {
		if u, err := url.Parse(endpoint); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			e.bad = append(e.bad, "AWS_ENDPOINT_URL is no http or https URL")
		}
		e.aws.BaseEndpoint = &endpoint
	}
	e.secrets = secrets.NewClient(e.aws, time.Now)
	return e
}

func (e *Environment) level() slog.Level {
	var l slog.Level
	if text := e.OptionalText("REKEY_LOG_LEVEL"); text != "" && l.UnmarshalText([]byte(text)) != nil {
		e.bad = append(e.bad, "REKEY_LOG_LEVEL is none of debug, info, warn and error")
	}
	return l
}

// Text returns a setting that has to be there. It is not inlined: the authorizer's binary has a tight bound.
//
//go:noinline
func (e *Environment) Text(name string) string {
	v, _ := e.lookup(name)
	if v == "" {
		e.missing = append(e.missing, name)
	}
	return v
}

// OptionalText returns a setting, "" when it is not there. It is not inlined: the authorizer's binary has a tight bound.
//
//go:noinline
func (e *Environment) OptionalText(name string) string {
	v, _ := e.lookup(name)
	return v
}

// OptionalList returns a setting's parts between commas; none when it is not there or empty.
func (e *Environment) OptionalList(name string) []string {
	text := e.OptionalText(name)
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// Bool returns a setting that has to be there and be true or false.
func (e *Environment) Bool(name string) bool {
	switch v := e.Text(name); v {
	case "true":
		return true
	case "false", "":
	default:
		e.bad = append(e.bad, fmt.Sprintf("%s is neither true nor false", name))
	}
	return false
}

// Hold tells whether the deployment is held after a restore: every verdict is then unavailable.
func (e *Environment) Hold() bool { return e.Bool("HOLD") }

// Logger writes JSON lines to the standard output, from REKEY_LOG_LEVEL on.
func (e *Environment) Logger() *slog.Logger { return e.log }

// Metrics counts what operators watch, under the function's own name (AWS_LAMBDA_FUNCTION_NAME).
func (e *Environment) Metrics() *telemetry.Recorder {
	return telemetry.New(e.OptionalText("AWS_LAMBDA_FUNCTION_NAME"), os.Stdout, time.Now)
}

// AWS is what a client of AWS is made from: region, credentials, endpoint, the HTTP client that all share, and a retryer.
func (e *Environment) AWS() aws.Config { return e.aws }

// Peppers are the keys under which secrets' digests are made (PEPPERS_SECRET).
func (e *Environment) Peppers() *secrets.Keyring { return e.keyring("peppers", "PEPPERS_SECRET") }

// DerivationKeys are the keys from which repeatable secrets are made (DERIVATION_SECRET).
func (e *Environment) DerivationKeys() *secrets.Keyring {
	return e.keyring("derivation keys", "DERIVATION_SECRET")
}

// CursorKeys are the keys that authenticate cursors (CURSOR_SECRET).
func (e *Environment) CursorKeys() *secrets.Keyring { return e.keyring("cursor keys", "CURSOR_SECRET") }

func (e *Environment) keyring(what, setting string) *secrets.Keyring {
	k := e.secrets.Keyring(what, e.Text(setting))
	e.Warm(what, k.Warm)
	return k
}

// SetupCode is the code with which the deployment is set up (SETUP_SECRET).
func (e *Environment) SetupCode() *secrets.SetupCode {
	return e.secrets.SetupCode(e.Text("SETUP_SECRET"))
}

// Warm adds something to do in Ready.
func (e *Environment) Warm(what string, do func(context.Context) error) {
	e.warm = append(e.warm, warmer{what, do})
}

// Ready returns an error that names every setting that is missing or bad. When there is none it warms what was built, all
// at the same time. What cannot be warmed is logged and no error: it is tried again when it is needed, and until then the
// function answers that it is unavailable.
func (e *Environment) Ready(ctx context.Context) error {
	if err := e.settingsError(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, warmFor)
	defer cancel()
	var wg sync.WaitGroup
	for _, w := range e.warm {
		wg.Go(func() {
			if err := w.do(ctx); err != nil {
				e.log.Warn("not warmed", "what", w.what, "error", err)
			}
		})
	}
	wg.Wait()
	return nil
}

func (e *Environment) settingsError() error {
	var parts []string
	if len(e.missing) > 0 {
		slices.Sort(e.missing)
		parts = append(parts, "missing: "+strings.Join(slices.Compact(e.missing), ", "))
	}
	parts = append(parts, e.bad...)
	if len(parts) == 0 {
		return nil
	}
	return errors.New("settings: " + strings.Join(parts, "; "))
}
