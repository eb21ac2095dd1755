package notice

import (
	"bytes"
	_ "embed"
	"fmt"
	htmltemplate "html/template"
	"strings"
	"text/template"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/mailbox"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/usage"
)

//go:embed templates/message.txt
var textSource string

//go:embed templates/message.html
var htmlSource string

var (
	textTemplate = template.Must(template.New("text").Parse(textSource))
	htmlTemplate = htmltemplate.Must(htmltemplate.New("html").Parse(htmlSource))
)

// Lengths of what others wrote, in characters.
const (
	longestName = 100
	longestNote = 300
	longestUser = 80
)

// message is what the templates fill in. Its texts are plain already; HTML is escaped by its template.
type message struct {
	Count int
	Items []item
	More  int    // matters that are not told in full
	List  string // the call that lists them
}

// item is one matter.
type item struct {
	Number  int
	Key     string // its name
	Prefix  string
	KeyID   string
	Account string
	Owner   string // name of the company or node
	What    string
	Note    string // what the record says; "" for nothing
	Used    string
	Do      string
	Calls   []string
}

// render makes the letter, without its address. The subject is made of rekey's own words and numbers only.
func render(full, rest []matter, now time.Time) (Letter, error) {
	m := message{Count: len(full) + len(rest), More: len(rest)}
	if len(rest) > 0 {
		m.List = listCall(rest)
	}
	for i, x := range full {
		it := x.item(now)
		it.Number = i + 1
		m.Items = append(m.Items, it)
	}
	var text, html bytes.Buffer
	if err := textTemplate.Execute(&text, m); err != nil {
		return Letter{}, fmt.Errorf("notice: the text of a message: %w", err)
	}
	if err := htmlTemplate.Execute(&html, m); err != nil {
		return Letter{}, fmt.Errorf("notice: the HTML of a message: %w", err)
	}
	return Letter{Subject: subject(full, rest, now), Text: text.String(), HTML: html.String()}, nil
}

func subject(full, rest []matter, now time.Time) string {
	var failed, soon, ending, due int
	for _, list := range [][]matter{full, rest} {
		for _, m := range list {
			switch {
			case m.failure():
				failed++
			case m.line.Kind == mailbox.RotationDue:
				due++
			case m.key.Key.ExpiresAt.Sub(now) <= Soon:
				soon++
			default:
				ending++
			}
		}
	}
	var parts []string
	add := func(n int, one, many string) {
		if n == 1 {
			parts = append(parts, one)
		} else if n > 1 {
			parts = append(parts, fmt.Sprintf(many, n))
		}
	}
	add(failed, "1 failure", "%d failures")
	add(soon, "1 key ends within 48 hours", "%d keys end within 48 hours")
	add(ending, "1 key ends soon", "%d keys end soon")
	add(due, "1 key is due for rotation", "%d keys are due for rotation")
	return "rekey: " + strings.Join(parts, ", ")
}

// listCall is the call that lists the keys of matters that are not told in full.
func listCall(rest []matter) string {
	var last time.Time
	for _, m := range rest {
		if end := m.key.Key.ExpiresAt; end.After(last) {
			last = end
		}
	}
	if last.IsZero() {
		return "GET /v1/audit-events?action=key.expiring"
	}
	return "GET /v1/keys?expires_before=" + stamp(last.Add(time.Second))
}

// failure tells whether it is about something that went wrong.
func (m matter) failure() bool {
	return m.line.Kind != mailbox.Ending && (m.line.Kind != mailbox.RotationDue || m.line.Note != "")
}

// rank sorts failures before all others.
func (m matter) rank() int {
	if m.failure() {
		return 0
	}
	return 1
}

// end sorts by the key's end; one that never ends comes last.
func (m matter) end() time.Time {
	if m.key.Key.ExpiresAt.IsZero() {
		return time.Unix(1<<40, 0)
	}
	return m.key.Key.ExpiresAt
}

func (m matter) item(now time.Time) item {
	k := m.key.Key
	it := item{Key: Plain(k.Name, longestName), Prefix: k.Prefix(), KeyID: string(k.ID), Account: Plain(m.key.Account.Name, longestName),
		Owner: Plain(m.owner, longestName), Used: used(k, m.last, now)}
	rotate := fmt.Sprintf(`POST /v1/keys/%s/rotate {"mode": "overlap"}`, k.ID)
	switch m.line.Kind {
	case mailbox.Ending:
		it.What = "It ends " + when(k.ExpiresAt, now) + "."
		it.Do, it.Calls = "Rotate it: the answer shows a new secret, and both work until the overlap ends. Put the new one where the consumer "+
			"reads it. If nobody needs the key any more, there is nothing to do.", []string{rotate}
		if m.terms.DefaultLifetime.Value == 0 { // the new secret would end when the old one does
			it.Do = "Rotate it, and say when the new secret is to end: without expires_at it ends when this one does. The answer shows it, and both " +
				"work until the overlap ends. Put it where the consumer reads it. If nobody needs the key any more, there is nothing to do."
			it.Calls = []string{fmt.Sprintf(`POST /v1/keys/%s/rotate {"mode": "overlap", "expires_at": "TIME"}`, k.ID)}
		}
		if r := m.rotation; r != nil && !r.State.Final() {
			it.Do, it.Calls = "It has a successor, and requests still come in on it. See who sends them and move those to the new secret.",
				[]string{fmt.Sprintf("GET /v1/rotations/%s", r.ID)}
			if !r.Extended {
				it.Do += " The end can be put off once."
				it.Calls = append(it.Calls, fmt.Sprintf(`POST /v1/rotations/%s/extend {"until": "TIME"}`, r.ID))
			}
		} else if m.fetches() {
			it.Do, it.Calls = "Its policy lets the consumer fetch a new secret itself, with this key, before it ends.", []string{"POST /v1/me/key/rotate", rotate}
		}
	case mailbox.RotationDue, mailbox.NotRotated:
		is := "was"
		if k.RotateAt.After(now) {
			is = "is"
		}
		it.What, it.Note = "By its rotation policy it "+is+" to be rotated "+when(k.RotateAt, now)+"."+goesOn(k, now), m.line.Note
		if m.line.Kind == mailbox.NotRotated {
			it.What += " Nobody has rotated it."
		}
		it.Do, it.Calls = "Rotate it, and put the new secret where the consumer reads it.", []string{rotate}
		if m.line.Note != "" {
			it.What += " rekey could not do it by itself."
			it.Do = "Mend that, and rekey rotates it. Or rotate it by hand, and put the new secret where the consumer reads it."
		} else if m.fetches() {
			it.Do, it.Calls = "The consumer is to fetch its new secret itself, with this key.", []string{"POST /v1/me/key/rotate", rotate}
		}
	case mailbox.Overdue:
		it.What, it.Note = "Its new secret could not be delivered."+goesOn(k, now), m.line.Note
		if p := m.rotation.Delivery.Problem; p != "" {
			it.Note = p
		}
		it.Do, it.Calls = "Mend that: rekey tries again every 5 minutes. Or give the rotation up.",
			[]string{fmt.Sprintf("GET /v1/rotations/%s", m.rotation.ID), fmt.Sprintf("POST /v1/rotations/%s/cancel", m.rotation.ID)}
	case mailbox.Aborted:
		it.What, it.Note = "Its rotation stopped before consumers had moved to the new key."+goesOn(k, now), m.line.Note
		it.Do, it.Calls = "Rotate it anew.", []string{rotate}
	case mailbox.Extended:
		it.What = "Its overlap was about to end with requests still coming in on it, so it was extended, once. It ends " + when(k.ExpiresAt, now) + "."
		it.Do, it.Calls = "See who sends them and move those to the new secret.", []string{fmt.Sprintf("GET /v1/rotations/%s", m.rotation.ID)}
	case mailbox.EndedInUse:
		it.What = "It ended " + when(m.key.State.Ended.At, now) + " and was used in the day before. Whoever still sends it is refused with 401."
		it.Do, it.Calls = "See who sent it, and give them a new key.", []string{fmt.Sprintf("GET /v1/keys/%s/usage", k.ID),
			fmt.Sprintf(`POST /v1/service-accounts/%s/keys {"name": "NAME"}`, k.AccountID)}
		if k.SupersededBy != "" {
			it.Do, it.Calls = "See who sent it, and move them to its successor "+string(k.SupersededBy)+".", it.Calls[:1]
		}
	}
	it.Note = Plain(it.Note, longestNote)
	return it
}

// fetches tells whether the policy has consumers fetch their secrets themselves.
func (m matter) fetches() bool {
	to := m.terms.DeliverTo.Value
	return to != nil && to.Type == policy.Event && m.terms.AllowRotateSelf.Value
}

// goesOn says until when a key works.
func goesOn(k apikey.Key, now time.Time) string {
	if k.ExpiresAt.IsZero() {
		return " It goes on working, and has no end."
	}
	return " It goes on working until it ends " + when(k.ExpiresAt, now) + "."
}

// used says when, and as far as it is known from where and with what, a key was used last.
func used(k apikey.Key, last *usage.Row, now time.Time) string {
	if k.LastUsedAt.IsZero() || k.UsedGen != k.Generation {
		return "Its secret was never used."
	}
	s := "Last used " + when(k.LastUsedAt, now)
	if last != nil {
		s += " from " + Plain(last.Source, longestUser)
		if agent := Plain(last.UserAgent, longestUser); agent != "" {
			s += " by " + agent
		}
	}
	return s + "."
}

// when is a moment, and how far off it is.
func when(t, now time.Time) string { return "at " + stamp(t) + " (" + away(t.Sub(now)) + ")" }

// away says how far off something is, in the largest unit of which there are two or more.
func away(d time.Duration) string {
	past := d < 0
	if past {
		d = -d
	}
	var s string
	switch {
	case d >= 48*time.Hour-30*time.Minute:
		s = fmt.Sprintf("%d days", int((d+12*time.Hour)/(24*time.Hour)))
	case d >= 2*time.Hour-30*time.Second:
		s = fmt.Sprintf("%d hours", int((d+30*time.Minute)/time.Hour))
	case d >= 2*time.Minute:
		s = fmt.Sprintf("%d minutes", int((d+30*time.Second)/time.Minute))
	case past:
		return "just now"
	default:
		return "now"
	}
	if past {
		return s + " ago"
	}
	return "in " + s
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
