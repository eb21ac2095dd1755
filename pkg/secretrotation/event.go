// Package secretrotation rotates a key whose secret is a secret of AWS Secrets Manager, driven by Secrets Manager itself: the
// four steps createSecret, setSecret, testSecret and finishSecret of a rotation function
// (docs.aws.amazon.com/secretsmanager, "Lambda rotation functions"; the checks before each step are those of AWS's template
// SecretsManagerRotationTemplate).
//
// The secret is a JSON object with the members api_url, the base URL of rekey's API with its stage; secret, the key's; and
// key_id, its ID. Other members are kept. The key rotates itself with its present secret (POST /me/key/rotate), so the function
// holds no right of its own, and after finishSecret the old secret works until the overlap ends, so that consumers may cache it.
//
// Every step may come twice, late or out of order: it looks first, and what is done already is not done again. No error has a
// text of the secret. The package knows neither HTTP nor AWS's clients.
package secretrotation

import (
	"fmt"
	"slices"
)

// Step is a step of a rotation, as Secrets Manager names it.
type Step string

const (
	Create Step = "createSecret"
	Set    Step = "setSecret"
	Test   Step = "testSecret"
	Finish Step = "finishSecret"
)

// Steps are the steps in their order.
var Steps = []Step{Create, Set, Test, Finish}

// Event is what Secrets Manager invokes the function with; its members are named as there.
type Event struct {
	Step               Step
	SecretId           string // ARN
	ClientRequestToken string // ID of the version that is being made
	RotationToken      string // proves a rotation to Secrets Manager; not to be logged. Only where a role is assumed
}

func (e Event) check() error {
	switch n := len(e.ClientRequestToken); {
	case !slices.Contains(Steps, e.Step):
		return fmt.Errorf("secretrotation: Step is none of %v", Steps)
	case e.SecretId == "":
		return fmt.Errorf("secretrotation: %s: SecretId is missing", e.Step)
	case n < 32 || n > 64:
		return fmt.Errorf("secretrotation: %s: ClientRequestToken is not 32 to 64 characters", e.Step)
	}
	return nil
}

// String names the event without its rotation token.
func (e Event) String() string {
	return fmt.Sprintf("%s of version %s of %s", e.Step, e.ClientRequestToken, e.SecretId)
}

func (e Event) GoString() string { return e.String() }
