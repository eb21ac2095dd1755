package notice_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/notice"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rotation"
)

// spoilt is a store in which a rotation cannot be decoded.
type spoilt struct {
	notice.Store
	rotation id.Rotation
}

func (s spoilt) Rotation(ctx context.Context, r id.Rotation) (rotation.Rotation, error) {
	if r == s.rotation {
		return rotation.Rotation{}, errors.New("the steps of a rotation: no JSON")
	}
	return s.Store.Rotation(ctx, r)
}

func TestSend_ARotationThatCannotBeDecodedKeepsNobodyFromBeingToldOfOthers_B3(t *testing.T) {
	m := newMoving(t, policy.Text{})
	require.Empty(t, m.use(22*time.Hour+30*time.Minute))
	other := m.account("Other", m.Company, "blue@example.com")
	m.IssueFor(other.ID, "ends soon", soon)
	m.Advance(35 * time.Minute)
	m.sweep()
	m.hear()
	m.Advance(20 * time.Minute)
	s := m.service()
	s.Store = spoilt{Store: m.Store, rotation: m.r.Rotation.ID}
	_, err := s.Send(m.Ctx)
	require.NoError(t, err)
	require.NotEmpty(t, m.inbox)
	require.Contains(t, m.inbox[len(m.inbox)-1].Text, `"ends soon" of "Other"`)
	require.Contains(t, m.log.String(), "a rotation could not be read")
}
