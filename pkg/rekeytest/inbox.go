package rekeytest

import (
	"context"
	"regexp"
	"sync"

	"github.com/rekey-dev/rekey/pkg/notice"
	"github.com/rekey-dev/rekey/pkg/token"
)

// Inbox takes every letter, until it is told to fail.
type Inbox struct {
	mu      sync.Mutex
	letters []notice.Letter
	err     error
	note    func(token.Secret)
}

var codeInLetter = regexp.MustCompile(`rkc_[0-9A-Za-z]+_[0-9A-Za-z]+`)

// CodeIn finds the one-time code in a letter.
func CodeIn(l notice.Letter) token.Secret { return token.SecretOf(codeInLetter.FindString(l.Text)) }

// Send takes a letter.
func (i *Inbox) Send(_ context.Context, l notice.Letter) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.err != nil {
		return "", i.err
	}
	i.note(CodeIn(l))
	i.letters = append(i.letters, l)
	return "message", nil
}

// Fail makes every letter fail from now on; nil takes them again.
func (i *Inbox) Fail(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.err = err
}

// Letters are those that came, in order.
func (i *Inbox) Letters() []notice.Letter {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]notice.Letter(nil), i.letters...)
}

// Last is the latest letter; it has to be there.
func (i *Inbox) Last() notice.Letter {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.letters[len(i.letters)-1]
}
