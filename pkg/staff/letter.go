package staff

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"text/template"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/notice"
	"github.com/rekey-dev/rekey/pkg/onetime"
	"github.com/rekey-dev/rekey/pkg/token"
)

//go:embed templates/letter.txt
var textSource string

//go:embed templates/letter.html
var htmlSource string

var (
	textTemplate = template.Must(template.New("text").Parse(textSource))
	htmlTemplate = htmltemplate.Must(htmltemplate.New("html").Parse(htmlSource))
)

// longestName is how much of a name goes into a letter, in characters.
const longestName = 100

// letter is what a letter with a code says.
type letter struct {
	Purpose onetime.Purpose
	To      employee.Employee
	From    string // who sends it
	MSP     string
	Portal  string // "" for none
	Code    token.Secret
	Until   time.Time
}

// subjects are made of rekey's own words only, so that nobody can put anything into a header.
var subjects = map[onetime.Purpose]string{
	onetime.Invitation: "rekey: you are invited",
	onetime.Enrolment:  "rekey: enrol a new passkey",
}

// render writes the letter. What people wrote is plain text; HTML is escaped by its template.
func (l letter) render() (notice.Letter, error) {
	fields := struct {
		Invited                                  bool
		Name, From, MSP, Portal, Code, Until, ID string
	}{l.Purpose == onetime.Invitation, notice.Plain(l.To.FirstName, longestName), notice.Plain(l.From, longestName), notice.Plain(l.MSP, longestName),
		l.Portal, l.Code.Reveal(), l.Until.UTC().Format("2006-01-02 15:04 UTC"), string(l.To.ID)}
	var text, html bytes.Buffer
	if err := textTemplate.Execute(&text, fields); err != nil {
		return notice.Letter{}, fmt.Errorf("staff: the text of a letter: %w", err)
	}
	if err := htmlTemplate.Execute(&html, fields); err != nil {
		return notice.Letter{}, fmt.Errorf("staff: the HTML of a letter: %w", err)
	}
	return notice.Letter{To: l.To.Email, Subject: subjects[l.Purpose], Text: text.String(), HTML: html.String()}, nil
}

// posted is an employee with a new code, and the letter that is to be sent. It holds the code and is never shown.
type posted struct {
	employee employee.Employee
	letter   notice.Letter
	op       id.Operation // that made the code
}

func (p posted) expires() string { return p.employee.CodeExpiresAt.UTC().Format(time.RFC3339) }

// post sends a letter and notes that it went. What has been committed stays whatever comes of it: the employee that it returns says
// whether the letter is known to have gone, and a letter that went without being noted is none too many.
func (s *Service) post(ctx context.Context, c call.Call, p posted) employee.Employee {
	e := p.employee
	if _, err := s.Mail.Send(ctx, p.letter); err != nil {
		var refused *notice.Refused
		if errors.As(err, &refused) {
			err = errors.New(refused.Code) // its message can name the address
		}
		s.Log.WarnContext(ctx, "the letter could not be sent", "employee", string(e.ID), "request_id", c.Request.ID, "error", err)
		return e
	}
	noted, err := change.Retry(func() (employee.Employee, error) {
		old, err := s.Store.Employee(ctx, e.ID)
		if err != nil {
			return employee.Employee{}, err
		}
		if old.Code != p.employee.Code {
			return e, nil // another letter has made this one worthless
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		next := old
		next.CodeSentAt = now
		next.Revision++
		next.EventSeq++
		record, err := c.Idempotency.Amending(p.op, func(result any) any { return result }).Record(op, now, seen(c.Caller, next), nil)
		if err != nil {
			return employee.Employee{}, err
		}
		return next, s.Store.Commit(ctx, change.Set{Operation: op, At: now, Idempotency: record,
			Events: []audit.Event{s.event(c, op, now, audit.LetterSent, next)}, Writes: []change.Write{employee.Update{Old: old, New: next}}})
	})
	if err != nil {
		s.Log.WarnContext(ctx, "the letter was sent, and that could not be noted", "employee", string(e.ID), "request_id", c.Request.ID, "error", err)
		return e
	}
	return noted
}
