package memstore

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// A map that Clone forgets, or shares, would carry one test's changes into another.
func TestClone_SharesNoMapWithItsOrigin(t *testing.T) {
	s := New()
	a, b := reflect.ValueOf(s).Elem(), reflect.ValueOf(s.Clone()).Elem()
	maps := 0
	var compare func(a, b reflect.Value)
	compare = func(a, b reflect.Value) {
		for i := range a.NumField() {
			name := a.Type().Field(i).Name
			switch x, y := a.Field(i), b.Field(i); x.Kind() {
			case reflect.Map:
				maps++
				require.False(t, y.IsNil(), "%s is not cloned", name)
				require.NotEqual(t, x.Pointer(), y.Pointer(), "%s is shared", name)
			case reflect.Struct:
				compare(x, y)
			}
		}
	}
	compare(a, b)
	require.Greater(t, maps, 20)
}
