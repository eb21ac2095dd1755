package keys

import (
	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/fault"
)

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
