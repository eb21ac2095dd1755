// Package consumer reads and writes the secrets of keys' consumers in AWS Secrets Manager, in the deployment's own account or,
// by a role, in another. It is the box that package delivery puts new secrets into, and what the rotation function works on.
//
// It is apart from package secrets, which is linked into the authorizer, whose binary has no room for the clients. Every call
// is bounded in time and attempts. An error names the call and AWS's code, never AWS's message, which may quote what was sent.
package consumer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/fault"
)

// callTime bounds one call with all its attempts.
const callTime = 4 * time.Second

// roleSeconds is for how long a role is assumed, the shortest that AWS has. A delivery takes seconds.
const roleSeconds = 900

// Boxes opens consumers' secrets. It may be used by many goroutines.
type Boxes struct {
	cfg aws.Config
	// externalID is what a role's trust policy asks for, so that nobody can have rekey assume it on another's behalf
	// (docs.aws.amazon.com/IAM, "The confused deputy problem").
	externalID func(ctx context.Context) (string, error)
}

// New makes boxes that call with cfg's credentials, endpoint, HTTP client and retryer. externalID returns the provider's ID;
// it is asked for each role that is assumed.
func New(cfg aws.Config, externalID func(ctx context.Context) (string, error)) *Boxes {
	return &Boxes{cfg: cfg, externalID: externalID}
}

// Open opens a secret. With a role it assumes it under the name session, 2 to 64 of [A-Za-z0-9_+=,.@-]; without, it makes no
// call. Whether the secret is there is found by the first call.
func (b *Boxes) Open(ctx context.Context, t delivery.Target, session string) (delivery.Box, error) {
	cfg := b.cfg
	if t.RoleARN != "" {
		credentials, err := b.assume(ctx, t.RoleARN, session)
		if err != nil {
			return nil, err
		}
		cfg.Credentials = credentials
	}
	if region := t.Region(); region != "" {
		cfg.Region = region
	}
	return open(cfg, t.SecretID), nil
}

func open(cfg aws.Config, secret string) *Box {
	options := secretsmanager.Options{Region: cfg.Region, Credentials: cfg.Credentials, HTTPClient: cfg.HTTPClient, BaseEndpoint: cfg.BaseEndpoint}
	if cfg.Retryer != nil {
		options.Retryer = cfg.Retryer()
	}
	return &Box{client: secretsmanager.New(options), secret: secret}
}

// assume returns the credentials of a role.
func (b *Boxes) assume(ctx context.Context, role, session string) (aws.CredentialsProvider, error) {
	external, err := b.externalID(ctx)
	if err != nil {
		return nil, err
	}
	options := sts.Options{Region: b.cfg.Region, Credentials: b.cfg.Credentials, HTTPClient: b.cfg.HTTPClient, BaseEndpoint: b.cfg.BaseEndpoint}
	if b.cfg.Retryer != nil {
		options.Retryer = b.cfg.Retryer()
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	out, err := sts.New(options).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: &session, ExternalId: &external,
		DurationSeconds: aws.Int32(roleSeconds)})
	if err != nil {
		return nil, failed("AssumeRole", err)
	}
	if out.Credentials == nil {
		return nil, fault.Down(errors.New("consumer: AssumeRole: an answer without credentials"))
	}
	c := aws.Credentials{AccessKeyID: aws.ToString(out.Credentials.AccessKeyId), SecretAccessKey: aws.ToString(out.Credentials.SecretAccessKey),
		SessionToken: aws.ToString(out.Credentials.SessionToken), Source: "AssumeRole"}
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, nil }), nil
}

// failed sorts the error of a call: an answer that will be the same again is a refusal, anything else may be tried again.
func failed(operation string, err error) error {
	var answer smithy.APIError
	if !errors.As(err, &answer) {
		// The SDK's error may quote the answer, which may hold a secret.
		return fault.Down(fmt.Errorf("consumer: %s: no answer that can be read", operation))
	}
	code, message := answer.ErrorCode(), answer.ErrorMessage()
	cause := fmt.Errorf("consumer: %s: %s", operation, code)
	refuse := func(r delivery.Reason, detail string) error {
		return &delivery.Refusal{Reason: r, Detail: detail, Cause: cause}
	}
	switch code {
	case "ResourceNotFoundException":
		return refuse(delivery.Missing, "There is no such secret, or it was deleted. Restore or create it and tag it "+delivery.PlaceTag+
			"; the delivery goes on then.")
	case "InvalidRequestException":
		if strings.Contains(message, "deletion") || strings.Contains(message, "deleted") {
			return deleting(cause)
		}
		return refuse(delivery.Refused, "Secrets Manager says that the secret's state does not allow "+operation+
			": it may be a replica, or managed by another service.")
	case "AccessDeniedException", "AccessDenied", "UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException",
		"ExpiredTokenException", "OptInRequired", "RegionDisabledException":
		if strings.Contains(message, "KMS") || strings.Contains(message, "kms:") {
			return refused(cause)
		}
		if operation == "AssumeRole" {
			return refuse(delivery.Forbidden, "The role could not be assumed. Its trust policy has to allow sts:AssumeRole to rekey's role "+
				"with the provider's ID as sts:ExternalId, and the deployment has to allow rekey's role to assume it.")
		}
		return refuse(delivery.Forbidden, "rekey's role, or the assumed one, may not call "+operation+" on the secret. "+
			"Allow it in the role's policy and, across accounts, in the secret's.")
	case "DecryptionFailure", "EncryptionFailure", "KMSInvalidStateException", "KMSAccessDeniedException":
		return refused(cause)
	case "LimitExceededException":
		return refuse(delivery.Refused, "The secret has as many versions as Secrets Manager allows. They become fewer within a day.")
	case "ValidationException", "InvalidParameterException", "MalformedPolicyDocumentException", "MalformedPolicyDocument":
		return refuse(delivery.Refused, "AWS calls the parameters of "+operation+" invalid.")
	}
	return fault.Down(cause)
}

func deleting(cause error) error {
	return &delivery.Refusal{Reason: delivery.Deleting, Detail: "The secret is scheduled for deletion. Restore it with restore-secret and the delivery goes on.",
		Cause: cause}
}

func refused(cause error) error {
	return &delivery.Refusal{Reason: delivery.KMS, Detail: "The KMS key that encrypts the secret was refused. It has to be enabled, and its policy has to allow " +
		"rekey's role, or the assumed one, kms:Decrypt and kms:GenerateDataKey through Secrets Manager.", Cause: cause}
}
