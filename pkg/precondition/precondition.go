// Package precondition is a caller's If-Match: change the object only if it is still as I saw it.
package precondition

import (
	"fmt"

	"github.com/rekey-dev/rekey/pkg/fault"
)

// Match is a set of entity tags. The zero Match asks for nothing and is always met.
type Match struct {
	Given bool
	Any   bool     // "*": the object need only exist
	Tags  []string // without quotes
}

// Tag is the entity tag of a version of an object: its ID and its version, both public.
func Tag(object string, version int64) string { return fmt.Sprintf("%s.%d", object, version) }

// Check returns a fault of kind precondition_failed unless the object's present tag is among those asked for.
func (m Match) Check(object string, version int64) error {
	if !m.Given || m.Any {
		return nil
	}
	for _, t := range m.Tags {
		if t == Tag(object, version) {
			return nil
		}
	}
	return fault.New(fault.PreconditionFailed, "The object has changed since you read it: its ETag is not the one in If-Match. Read it again.")
}
