package secretrotation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/token"
)

// target is where the key's secret stands in the secret's JSON.
var target = delivery.Target{Type: delivery.SecretsManager, JSONKey: "secret"}

// API is rekey's API, called with a key's secret. An error is an *APIError when there was an answer; it has no secret in it.
// Each method may be repeated, RotateSelf with the same idempotency key.
type API interface {
	// CheckURL returns an error for a base URL that no secret may be sent to.
	CheckURL(base string) error
	// RotateSelf is POST /me/key/rotate. The secret is zero when the answer withholds it.
	RotateSelf(ctx context.Context, base string, secret token.Secret, idempotencyKey string) (id.Key, token.Secret, error)
	// Me is GET /me: the ID of the key that the secret is of. It is a use of the key.
	Me(ctx context.Context, base string, secret token.Secret) (id.Key, error)
	// KeyStatus is POST /key-status: the status that the secret's holder is told. It is no use of the key.
	KeyStatus(ctx context.Context, base string, secret token.Secret) (string, error)
}

// APIError is an answer of the API other than success.
type APIError struct {
	Status    int    // of HTTP
	Code      string // of the problem, "" when there was none
	Detail    string // of the problem, without secrets
	RequestID string
}

func (e *APIError) Error() string {
	return fmt.Sprintf("HTTP %d %s: %s (request %s)", e.Status, e.Code, e.Detail, e.RequestID)
}

// Rotator carries out the steps. Its fields are set once; it may be used by many goroutines.
type Rotator struct {
	// Open opens the secret of an event. It makes no call.
	Open func(secret, rotationToken string) delivery.Box
	API  API
	Log  *slog.Logger
}

// Handle carries out the step of an event. Secrets Manager takes an error for a failed rotation, and tries again later.
func (r *Rotator) Handle(ctx context.Context, e Event) error {
	if err := r.handle(ctx, e); err != nil {
		return err // Lambda logs it
	}
	r.Log.Info("rotation step done", "step", string(e.Step), "secret_id", e.SecretId, "version", e.ClientRequestToken)
	return nil
}

func (r *Rotator) handle(ctx context.Context, e Event) error {
	if err := e.check(); err != nil {
		return err
	}
	say := func(format string, args ...any) error {
		return fmt.Errorf("secretrotation: %s: "+format, append([]any{e.String()}, args...)...)
	}
	box := r.Open(e.SecretId, e.RotationToken)
	d, err := box.Describe(ctx)
	if err != nil {
		return say("%w", err)
	}
	labels := d.Labels[e.ClientRequestToken]
	current, pending := slices.Contains(labels, delivery.CurrentLabel), slices.Contains(labels, delivery.PendingLabel)
	switch {
	case !d.Rotating:
		return say("rotation is not enabled for the secret")
	case len(labels) == 0:
		return say("version %s is not one of the secret's", e.ClientRequestToken)
	case current && e.Step == Finish && pending: // the step ended between its two calls
		return r.clear(ctx, box, e, say)
	case current:
		return nil
	case !pending:
		return say("version %s is not labelled AWSPENDING", e.ClientRequestToken)
	}
	switch e.Step {
	case Create:
		err = r.create(ctx, box, e)
	case Set:
		err = r.set(ctx, box, e)
	case Test:
		err = r.test(ctx, box, e)
	case Finish:
		err = r.finish(ctx, box, d, e)
	}
	if err != nil {
		return say("%w", err)
	}
	return nil
}

// create has the key rotate itself and puts the successor's secret. The token is the call's Idempotency-Key: when the answer,
// or what comes after it, is lost, the same successor's secret is answered again, for an hour and until its first use.
func (r *Rotator) create(ctx context.Context, box delivery.Box, e Event) error {
	current, err := box.Current(ctx)
	if errors.Is(err, delivery.ErrNoVersion) {
		return errors.New("the secret has no current version: put one with api_url, key_id and secret")
	}
	if err != nil {
		return err
	}
	if _, err := box.Version(ctx, e.ClientRequestToken); !errors.Is(err, delivery.ErrNoVersion) {
		return err // it was created before
	}
	held, err := r.read(current)
	if err != nil {
		return err
	}
	k, secret, err := r.API.RotateSelf(ctx, held.base, held.secret, e.ClientRequestToken)
	if err != nil {
		return r.explain(ctx, held, err)
	}
	if secret.IsZero() {
		return fmt.Errorf("the key was rotated to %s before, and its secret is shown no more: cancel that rotation "+
			"(POST /rotations/{id}/cancel), then start the secret's rotation anew", k)
	}
	text, err := delivery.Compose(target, current.Text, secret, k)
	if err != nil {
		return err
	}
	err = box.Put(ctx, e.ClientRequestToken, text)
	if errors.Is(err, delivery.ErrMeanwhile) {
		return errors.New("another run has put the version meanwhile; the step has to be repeated")
	}
	return err
}

// set has nothing to set: the successor's digest is in rekey since createSecret, because it is rekey that makes secrets. It
// checks that this is so, by a call that is no use of the key.
func (r *Rotator) set(ctx context.Context, box delivery.Box, e Event) error {
	held, err := r.pending(ctx, box, e)
	if err != nil {
		return err
	}
	status, err := r.API.KeyStatus(ctx, held.base, held.secret)
	if err != nil {
		return fmt.Errorf("asking for the status of %s: %w", held.key, err)
	}
	if status != "active" && status != "expiring" {
		return fmt.Errorf("the new secret of %s is %q, not active", held.key, status)
	}
	return nil
}

// test calls the API with the new secret. A version without a text is the one with which Secrets Manager tries a rotation's
// configuration, without any other step: then the current secret is tested.
func (r *Rotator) test(ctx context.Context, box delivery.Box, e Event) error {
	v, err := box.Version(ctx, e.ClientRequestToken)
	if errors.Is(err, delivery.ErrNoVersion) {
		v, err = box.Current(ctx)
	}
	if err != nil {
		return err
	}
	held, err := r.read(v)
	if err != nil {
		return err
	}
	k, err := r.API.Me(ctx, held.base, held.secret)
	if err != nil {
		return r.explain(ctx, held, err)
	}
	if k != held.key {
		return fmt.Errorf("the API takes the secret of %s for that of %s", held.key, k)
	}
	return nil
}

// finish moves AWSCURRENT to the new version. The old key ends with the overlap of its rotation.
func (r *Rotator) finish(ctx context.Context, box delivery.Box, d delivery.Description, e Event) error {
	if _, err := r.pending(ctx, box, e); err != nil {
		return err
	}
	err := box.Move(ctx, d.Labelled(delivery.CurrentLabel), e.ClientRequestToken)
	if errors.Is(err, delivery.ErrMeanwhile) {
		now, err := box.Describe(ctx)
		if err != nil {
			return err
		}
		if now.Labelled(delivery.CurrentLabel) != e.ClientRequestToken {
			return errors.New("AWSCURRENT was moved meanwhile; nothing was changed")
		}
	} else if err != nil {
		return err
	}
	return r.clear(ctx, box, e, fmt.Errorf)
}

// clear takes AWSPENDING off, so that the next rotation does not find one under way.
func (r *Rotator) clear(ctx context.Context, box delivery.Box, e Event, say func(string, ...any) error) error {
	if err := box.Clear(ctx, e.ClientRequestToken); err != nil && !errors.Is(err, delivery.ErrMeanwhile) {
		return say("%w", err)
	}
	return nil
}

// holding is what a version of the secret says.
type holding struct {
	base   string
	key    id.Key
	secret token.Secret
}

func (r *Rotator) pending(ctx context.Context, box delivery.Box, e Event) (holding, error) {
	v, err := box.Version(ctx, e.ClientRequestToken)
	if errors.Is(err, delivery.ErrNoVersion) {
		return holding{}, errors.New("the version has no secret yet: createSecret comes first")
	}
	if err != nil {
		return holding{}, err
	}
	return r.read(v)
}

// read reads a version; its error quotes nothing of it.
func (r *Rotator) read(v delivery.Version) (holding, error) {
	secret, k, ok := delivery.Extract(target, v.Text)
	if !ok {
		return holding{}, fmt.Errorf("version %s has no well-formed secret of a key in the member secret of a JSON object", v.ID)
	}
	var members map[string]json.RawMessage
	var base, named string
	if json.Unmarshal([]byte(v.Text.Reveal()), &members) != nil || json.Unmarshal(members["api_url"], &base) != nil {
		return holding{}, fmt.Errorf("version %s has no text in the member api_url", v.ID)
	}
	if raw, ok := members["key_id"]; ok && (json.Unmarshal(raw, &named) != nil || named != string(k)) {
		return holding{}, fmt.Errorf("version %s has a key_id that is not its secret's, %s", v.ID, k)
	}
	if err := r.API.CheckURL(base); err != nil {
		return holding{}, fmt.Errorf("version %s: api_url: %w", v.ID, err)
	}
	return holding{base, k, secret}, nil
}

// explain adds to a 401, which says nothing by design, what the holder may learn.
func (r *Rotator) explain(ctx context.Context, h holding, err error) error {
	var answer *APIError
	if !errors.As(err, &answer) {
		return err
	}
	switch {
	case answer.Status == 401:
		if status, errStatus := r.API.KeyStatus(ctx, h.base, h.secret); errStatus == nil {
			return fmt.Errorf("the secret of %s is not accepted, its status is %q: %w", h.key, status, err)
		}
	case answer.Code == "missing_scope" || answer.Code == "missing_permission":
		return fmt.Errorf("%s may not rotate itself: its account's role and its scopes need keys:rotate_self: %w", h.key, err)
	case answer.Code == "rotation_open":
		return fmt.Errorf("a rotation of %s is open: complete or cancel it: %w", h.key, err)
	}
	return err
}
