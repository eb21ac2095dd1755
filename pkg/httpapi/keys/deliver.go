package keys

import (
	"context"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/id"
)

// Deliverer makes secrets that go straight to where their consumers read them, and are shown to nobody.
type Deliverer interface {
	IssueTo(ctx context.Context, c call.Call, account id.ServiceAccount, in apikey.Issue, to delivery.Target) (apikey.Shown, error)
	RegenerateTo(ctx context.Context, c call.Call, k id.Key, end apikey.Expiry, force bool, to delivery.Target) (apikey.Shown, error)
}

// DeliverTo is where a new secret goes instead of into the answer.
type DeliverTo struct {
	Type     string `json:"type" enum:"secrets_manager"`
	SecretID string `json:"secret_id" minLength:"1" maxLength:"1024" doc:"Name or ARN of a secret of AWS Secrets Manager that is tagged rekey:place with the key's node or company"`
	JSONKey  string `json:"json_key,omitempty" maxLength:"100" doc:"Member of the secret's JSON object that becomes the key's secret, the others stay; left out: the secret is the key's secret and nothing else"`
	RoleARN  string `json:"role_arn,omitempty" maxLength:"2048" doc:"Role to assume for a secret of another account, with the provider's ID as sts:ExternalId"`
}

// Target reads where to deliver to; nil is nowhere.
func (d *DeliverTo) Target() (delivery.Target, error) {
	if d == nil {
		return delivery.Target{}, nil
	}
	t := delivery.Target{Type: delivery.Type(d.Type), SecretID: d.SecretID, JSONKey: d.JSONKey, RoleARN: d.RoleARN}
	return t, fault.InvalidFields(t.Check("/deliver_to", false))
}

// Delivery is where a new secret goes, and how far it has come.
type Delivery struct {
	Type        string  `json:"type" enum:"secrets_manager"`
	SecretID    string  `json:"secret_id"`
	JSONKey     *string `json:"json_key"`
	RoleARN     *string `json:"role_arn"`
	VersionID   string  `json:"version_id" doc:"Of the version with the new secret"`
	DeliveredAt *string `json:"delivered_at" format:"date-time" doc:"When AWSCURRENT was read back as that version; null: not yet"`
	Problem     *string `json:"problem" doc:"What keeps it from its end, and what to do. It goes on when that is mended; of an overlap the old key goes on working"`
}

// DeliveryOf shows a delivery; nil for a secret that was shown.
func DeliveryOf(p delivery.Progress) *Delivery {
	if p.Target.Type == "" {
		return nil
	}
	return &Delivery{Type: string(p.Target.Type), SecretID: p.Target.SecretID, JSONKey: httpapi.Text(p.Target.JSONKey),
		RoleARN: httpapi.Text(p.Target.RoleARN), VersionID: p.Version, DeliveredAt: httpapi.Time(p.DoneAt), Problem: httpapi.Text(p.Problem)}
}
