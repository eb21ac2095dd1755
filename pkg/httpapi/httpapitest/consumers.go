package httpapitest

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/secrets/consumer"
	"github.com/rekey-dev/rekey/pkg/secrets/secretstest"
)

// Consumers gives the world an AWS Secrets Manager in which consumers have their secrets.
func (w *World) Consumers() *secretstest.Service {
	s := secretstest.New(w.T)
	cfg := aws.Config{Region: "eu-central-1", BaseEndpoint: &s.URL, HTTPClient: s.Client,
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "signing"}, nil
		})}
	w.Rotations.Courier = &delivery.Courier{Abandoned: w.World.Keys.Abandoned,
		Boxes: consumer.New(cfg, func(context.Context) (string, error) { return string(w.MSP.ID), nil })}
	return s
}
