package dispatch

import "github.com/rekey-dev/rekey/pkg/audit"

// The detail types of events, as the API names them.
const (
	KeyIssued             = "Key Issued"
	KeyRevoked            = "Key Revoked"
	KeyRegenerated        = "Key Regenerated"
	PrincipalLocked       = "Principal Locked"
	PrincipalUnlocked     = "Principal Unlocked"
	RetiredSecretSeen     = "Retired Secret Seen"
	ServiceAccountRevoked = "Service Account Revoked"
	ServiceAccountRotated = "Service Account Rotated"
	KeyExpiring           = "Key Expiring"
	KeyExpired            = "Key Expired"
	RotationStateChanged  = "Rotation State Changed"
	CompanySuspended      = "Company Suspended"
	CompanyResumed        = "Company Resumed"
)

// silent marks what is recorded and not announced.
const silent = ""

// changes decides about records of the action user.updated, by the change in their details.
var changes = map[string]string{
	audit.KeyIssued:      KeyIssued,
	audit.KeyRevoked:     KeyRevoked,
	audit.KeySelfRevoked: KeyRevoked,
	audit.KeyRegenerated: KeyRegenerated,
	audit.KeyDeactivated: silent,
	audit.KeyActivated:   silent,
	audit.KeyUpdated:     silent,
	audit.KeyRotated:     silent, // the rotation's own record is announced
	audit.KeyExpired:     KeyExpired,
	audit.SecretRepeated: silent,
}

// actions decides about all other records.
var actions = map[string]string{
	audit.PrincipalLocked:       PrincipalLocked,
	audit.Unlocked:              PrincipalUnlocked,
	audit.RetiredSeen:           RetiredSecretSeen,
	audit.ServiceAccountRevoked: ServiceAccountRevoked,
	audit.ServiceAccountRotated: ServiceAccountRotated,

	audit.CompanySuspended: CompanySuspended,
	audit.CompanyResumed:   CompanyResumed,

	audit.KeyExpiring:       KeyExpiring,
	audit.RotationStarted:   RotationStateChanged,
	audit.RotationDelivered: RotationStateChanged,
	audit.RotationSeen:      RotationStateChanged,
	audit.RotationQuiet:     RotationStateChanged,
	audit.RotationExtended:  RotationStateChanged,
	audit.RotationRetired:   RotationStateChanged,
	audit.RotationCancelled: RotationStateChanged,
	audit.RotationAborted:   RotationStateChanged,
	audit.RotationOverdue:   RotationStateChanged,

	audit.KeyUpdated:            silent,
	audit.KeyFirstUsed:          silent,
	audit.KeyNewSource:          silent,
	audit.SecretRepeated:        silent,
	audit.ServiceAccountCreated: silent,
	audit.ServiceAccountUpdated: silent,
	audit.ServiceAccountDeleted: silent,
	audit.NodeCreated:           silent,
	audit.NodeUpdated:           silent,
	audit.NodeDeleted:           silent,
	audit.RoleCreated:           silent,
	audit.RoleUpdated:           silent,
	audit.RoleDeleted:           silent,
	audit.EmployeeInvited:       silent,
	audit.EmployeeUpdated:       silent,
	audit.EmployeeDeleted:       silent,
	audit.InvitationResent:      silent,
	audit.InvitationRevoked:     silent,
	audit.SecondFactorReset:     silent,
	audit.LetterSent:            silent,
	audit.ProtectedAPICreated:   silent,
	audit.ProtectedAPIUpdated:   silent,
	audit.ProtectedAPIDeleted:   silent,
	audit.CompanyCreated:        silent,
	audit.CompanyUpdated:        silent,
	audit.CompanyDeleted:        silent,
	audit.CalendarCreated:       silent,
	audit.CalendarUpdated:       silent,
	audit.CalendarDeleted:       silent,
	audit.PolicyCreated:         silent,
	audit.PolicyUpdated:         silent,
	audit.PolicyDeleted:         silent,
	audit.SetupCompleted:        silent,
	audit.RecoveryUsed:          silent,

	"personal_access_token.first_used": silent,
	"personal_access_token.new_source": silent,
	audit.TokenCreated:                 silent,
	audit.TokenRevoked:                 silent,
	audit.TokenSelfRevoked:             silent,
	audit.TokenRepeated:                silent,
	"session.first_used":               silent,
	"session.new_source":               silent,
	audit.SessionStarted:               silent,
	audit.SessionRevoked:               silent,
	audit.SessionSelfRevoked:           silent,
	audit.SessionRepeated:              silent,
	audit.CompanyAssumed:               silent,
	audit.CredentialCodeIssued:         silent,
	audit.CredentialCreated:            silent,
	audit.CredentialDeleted:            silent,
	audit.EmployeeActivated:            silent,
}

// DetailType returns how a record is announced, "" for not at all: what was refused did not happen. known is false for an
// action, or a change, that nobody has decided about; it is not announced.
func DetailType(e audit.Event) (detailType string, known bool) {
	if e.Action == audit.UserUpdated {
		change, _ := e.Details["change"].(string)
		detailType, known = changes[change]
	} else {
		detailType, known = actions[e.Action]
	}
	if e.Outcome != audit.OK {
		return silent, known
	}
	return detailType, known
}
