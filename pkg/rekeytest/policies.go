package rekeytest

import (
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// At is the attachment of a policy to a node or a company.
func At(p place.Place) policy.Attachment {
	if p.Company != "" {
		return policy.Attachment{Kind: policy.Company, ID: p.ID()}
	}
	return policy.Attachment{Kind: policy.Node, ID: p.ID()}
}

// On is the attachment of a policy to an account.
func On(a serviceaccount.Account) policy.Attachment {
	return policy.Attachment{Kind: policy.ServiceAccount, ID: string(a.ID)}
}

// Policy attaches a policy.
func (w *World) Policy(to policy.Attachment, text policy.Text) policy.Policy {
	w.T.Helper()
	p, err := w.Policies.Create(w.Ctx, w.As(w.Owner), to, text)
	require.NoError(w.T, err)
	return p
}

// To is a pointer to a value, for the members of a Text.
func To[T any](v T) *T { return &v }
