package dynamo

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
)

// pages answers scans with one page after another.
type pages struct {
	t     *testing.T
	items [][]item
	err   error // instead of the last page
	calls int
}

func (p *pages) Scan(_ context.Context, in *dynamodb.ScanInput, _ ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error) {
	require.True(p.t, *in.ConsistentRead)
	require.Equal(p.t, "Identity", *in.TableName)
	require.Equal(p.t, int32(scanPage), *in.Limit)
	require.Equal(p.t, p.calls > 0, in.ExclusiveStartKey != nil)
	n := p.calls
	p.calls++
	if p.err != nil && p.calls == len(p.items) {
		return nil, p.err
	}
	out := &dynamodb.ScanOutput{}
	for _, it := range p.items[n] {
		out.Items = append(out.Items, it)
	}
	if p.calls < len(p.items) {
		out.LastEvaluatedKey = key{"page", strconv.Itoa(p.calls)}.wire()
	}
	return out, nil
}

func itemUnder(typ, version string) item {
	it := item{attrType: stringValue(typ)}
	it.string(attrPepper, version)
	return it
}

func unpaced(context.Context, int) error { return nil }

func TestCountPepperUse_CountsEveryDigestOfEveryPage(t *testing.T) {
	p := &pages{t: t, items: [][]item{
		{itemUnder(typeKey, "v1"), itemUnder(typeAccount, ""), itemUnder(typeRetired, "v1")},
		{}, // a page may be empty although there are more
		{itemUnder(typeKey, "v2"), itemUnder(typeToken, "v2"), itemUnder(typeKey, "v2"), itemUnder(typeKey, "")},
	}}
	var seen []int
	use, err := CountPepperUse(t.Context(), p, "Identity", func(_ context.Context, items int) error {
		seen = append(seen, items)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, PepperUse{Items: 7, Versions: map[string]DigestCount{"v1": {Keys: 1, Retired: 1}, "v2": {Keys: 2, Tokens: 1}, "": {Keys: 1}}}, use)
	require.Equal(t, 2, use.Versions["v1"].Sum())
	require.Equal(t, []int{0, 3, 3}, seen)
}

func TestCountPepperUse_ReturnsNoPartOfACount(t *testing.T) {
	broken := itemUnder(typeKey, "")
	broken[attrPepper] = &types.AttributeValueMemberN{Value: "1"}
	for name, p := range map[string]*pages{
		"a page that fails":           {t: t, items: [][]item{{itemUnder(typeKey, "v1")}, nil}, err: errors.New("throttled")},
		"an item that cannot be read": {t: t, items: [][]item{{itemUnder(typeKey, "v1"), broken}}},
	} {
		t.Run(name, func(t *testing.T) {
			use, err := CountPepperUse(t.Context(), p, "Identity", unpaced)
			require.Error(t, err)
			require.Zero(t, use)
		})
	}
	_, err := CountPepperUse(t.Context(), &pages{t: t}, "Identity", func(context.Context, int) error { return context.Canceled })
	require.ErrorIs(t, err, context.Canceled)
}
