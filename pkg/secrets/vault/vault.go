// Package vault writes secrets in AWS Secrets Manager, by the service's own client. It is apart from package secrets, which
// reads them and is linked into the authorizer, whose binary has no room for that client.
package vault

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"github.com/rekey-dev/rekey/pkg/secrets"
)

// nextStage labels a version that has been put and is not yet the current one.
const nextStage = "REKEY_NEXT"

// ErrChanged says that somebody else changed the secret meanwhile; nothing has changed.
var ErrChanged = errors.New("vault: the secret was changed meanwhile; look at it again")

// Vault reads and writes secrets. Its methods may be called at the same time.
type Vault struct {
	*secrets.Client
	writer *secretsmanager.Client
}

// New makes a vault that reads by way of reader and writes with cfg's region, credentials, endpoint and HTTP client.
func New(reader *secrets.Client, cfg aws.Config) *Vault {
	options := secretsmanager.Options{Region: cfg.Region, Credentials: cfg.Credentials, HTTPClient: cfg.HTTPClient, BaseEndpoint: cfg.BaseEndpoint}
	if cfg.Retryer != nil {
		options.Retryer = cfg.Retryer()
	}
	return &Vault{Client: reader, writer: secretsmanager.New(options)}
}

// Replace makes text the current version of a secret if old still is. The replaced version stays in Secrets Manager under
// the label AWSPREVIOUS until the next replacement. version is the ID of the new version, 32 to 64 characters: a repeat of
// the same call has no further effect.
func (v *Vault) Replace(ctx context.Context, secret string, old secrets.Value, text, version string) error {
	_, err := v.writer.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: &secret, ClientRequestToken: &version,
		SecretString: &text, VersionStages: []string{nextStage}})
	if err != nil {
		return err
	}
	// Moving a label is refused unless it is where the caller says: that makes this a compare-and-swap.
	_, err = v.writer.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{SecretId: &secret,
		VersionStage: aws.String("AWSCURRENT"), RemoveFromVersionId: &old.Version, MoveToVersionId: &version})
	var refused smithy.APIError
	if err == nil || errors.As(err, &refused) && refused.ErrorCode() == "AccessDeniedException" {
		return err
	}
	now, errGet := v.Get(ctx, secret)
	switch {
	case errGet != nil:
		return err
	case now.Version == version: // the answer to the first attempt was lost
		return nil
	case now.Version != old.Version:
		return ErrChanged
	}
	return err
}
