package consumer

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/token"
)

// Box is one secret. It is what delivery.Box says.
type Box struct {
	client *secretsmanager.Client
	secret string // name or ARN
	// rotation is what Secrets Manager gave a rotation function to prove that it is one; "" elsewhere.
	rotation string
}

// OpenRotation opens a secret of the caller's own account that Secrets Manager is rotating. rotationToken is the one of its
// event, "" when it has none. It makes no call.
func OpenRotation(cfg aws.Config, secret, rotationToken string) *Box {
	if region := (delivery.Target{SecretID: secret}).Region(); region != "" {
		cfg.Region = region
	}
	b := open(cfg, secret)
	b.rotation = rotationToken
	return b
}

// Describe tells about a secret that is not scheduled for deletion.
func (b *Box) Describe(ctx context.Context) (delivery.Description, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	out, err := b.client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &b.secret})
	if err != nil {
		return delivery.Description{}, failed("DescribeSecret", err)
	}
	d := delivery.Description{Tags: map[string]string{}, Labels: map[string][]string{}, Rotating: aws.ToBool(out.RotationEnabled)}
	for _, t := range out.Tags {
		d.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	for version, labels := range out.VersionIdsToStages {
		d.Labels[version] = slices.Sorted(slices.Values(labels))
	}
	if out.DeletedDate != nil {
		return d, deleting(nil)
	}
	return d, nil
}

func (b *Box) Current(ctx context.Context) (delivery.Version, error) {
	return b.get(ctx, &secretsmanager.GetSecretValueInput{VersionStage: aws.String(delivery.CurrentLabel)})
}

func (b *Box) Version(ctx context.Context, version string) (delivery.Version, error) {
	return b.get(ctx, &secretsmanager.GetSecretValueInput{VersionId: &version})
}

func (b *Box) get(ctx context.Context, in *secretsmanager.GetSecretValueInput) (delivery.Version, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	in.SecretId = &b.secret
	out, err := b.client.GetSecretValue(ctx, in)
	if code(err) == "ResourceNotFoundException" { // of a secret that Describe has just found
		return delivery.Version{}, delivery.ErrNoVersion
	}
	if err != nil {
		return delivery.Version{}, failed("GetSecretValue", err)
	}
	if out.SecretString == nil {
		if out.SecretBinary == nil {
			return delivery.Version{}, delivery.ErrNoVersion
		}
		return delivery.Version{}, &delivery.Refusal{Reason: delivery.Shape, Detail: "The secret holds bytes (SecretBinary) where text (SecretString) is wanted."}
	}
	return delivery.Version{ID: aws.ToString(out.VersionId), Text: token.SecretOf(*out.SecretString)}, nil
}

// Put makes a version; the same again has no effect.
func (b *Box) Put(ctx context.Context, version string, text token.Secret) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	in := &secretsmanager.PutSecretValueInput{SecretId: &b.secret, ClientRequestToken: &version, SecretString: aws.String(text.Reveal()),
		VersionStages: []string{delivery.PendingLabel}}
	if b.rotation != "" {
		in.RotationToken = &b.rotation
	}
	_, err := b.client.PutSecretValue(ctx, in)
	switch {
	case code(err) == "ResourceExistsException": // somebody at the same time put the version with another text
		return delivery.ErrMeanwhile
	case err != nil:
		return failed("PutSecretValue", err)
	}
	return nil
}

// Move moves AWSCURRENT. Secrets Manager refuses unless the label is where the caller says, and gives AWSPREVIOUS to the
// version that loses it.
func (b *Box) Move(ctx context.Context, from, to string) error {
	in := &secretsmanager.UpdateSecretVersionStageInput{VersionStage: aws.String(delivery.CurrentLabel), MoveToVersionId: &to}
	if from != "" {
		in.RemoveFromVersionId = &from
	}
	return b.label(ctx, in)
}

// Clear takes AWSPENDING off a version.
func (b *Box) Clear(ctx context.Context, version string) error {
	return b.label(ctx, &secretsmanager.UpdateSecretVersionStageInput{VersionStage: aws.String(delivery.PendingLabel), RemoveFromVersionId: &version})
}

func (b *Box) label(ctx context.Context, in *secretsmanager.UpdateSecretVersionStageInput) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	in.SecretId = &b.secret
	_, err := b.client.UpdateSecretVersionStage(ctx, in)
	switch code(err) {
	case "InvalidParameterException", "ResourceNotFoundException": // the label, or the version, is not where it was
		return delivery.ErrMeanwhile
	}
	if err != nil {
		return failed("UpdateSecretVersionStage", err)
	}
	return nil
}

// code is AWS's word for an error, "" for none.
func code(err error) string {
	var answer smithy.APIError
	if errors.As(err, &answer) {
		return answer.ErrorCode()
	}
	return ""
}
