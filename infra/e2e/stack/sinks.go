package stack

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/url"
	"strconv"
)

// Sink is told of everything that a place holds, as raw bytes: where they were found, and the bytes.
type Sink func(where string, what []byte) error

// Sinks shows everything that the deployment has left anywhere: each item of each table, every line of every log group, the
// messages that wait in every queue, every object of every bucket, every letter. Messages are read without being taken away.
func (s *Stack) Sinks(ctx context.Context, show Sink) error {
	for _, read := range []func(context.Context, Sink) error{s.tables, s.logs, s.queues, s.buckets, s.mail} {
		if err := read(ctx, show); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stack) tables(ctx context.Context, show Sink) error {
	for _, table := range []string{s.Tables.Identity, s.Tables.Directory, s.Tables.Audit, s.Tables.Transient} {
		request := map[string]any{"TableName": table}
		for {
			text, err := s.Call(ctx, "DynamoDB_20120810", "Scan", request)
			if err != nil {
				return err
			}
			if err := show("table "+table, text); err != nil {
				return err
			}
			var page struct{ LastEvaluatedKey json.RawMessage }
			if err := json.Unmarshal(text, &page); err != nil {
				return err
			}
			if len(page.LastEvaluatedKey) == 0 {
				break
			}
			request["ExclusiveStartKey"] = page.LastEvaluatedKey
		}
	}
	return nil
}

func (s *Stack) logs(ctx context.Context, show Sink) error {
	groups, err := s.logGroups(ctx)
	if err != nil {
		return err
	}
	if len(groups) == 0 {
		return fmt.Errorf("stack: no log group: the functions' logs are not looked at")
	}
	for _, group := range groups {
		if err := s.eachLogPage(ctx, group, "", func(text []byte) error { return show("log "+group, text) }); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stack) logGroups(ctx context.Context) ([]string, error) {
	type page struct {
		LogGroups []struct{ LogGroupName string }
		NextToken string
	}
	var names []string
	request := map[string]any{}
	for {
		p, err := call[page](ctx, s, "Logs_20140328", "DescribeLogGroups", request)
		if err != nil {
			return nil, err
		}
		for _, g := range p.LogGroups {
			names = append(names, g.LogGroupName)
		}
		if p.NextToken == "" {
			return names, nil
		}
		request["nextToken"] = p.NextToken
	}
}

// pageSize is the most events in a page of a log.
const pageSize = 10_000

// eachLogPage shows a log group's events from the oldest on, the last of a page perhaps once more in the next: the emulator ends
// a page without saying that there is more, so the next one begins with the time at which a full page ended.
func (s *Stack) eachLogPage(ctx context.Context, group, pattern string, show func([]byte) error) error {
	request := map[string]any{"logGroupName": group, "limit": pageSize}
	if pattern != "" {
		request["filterPattern"] = pattern
	}
	since := int64(-1)
	for {
		text, err := s.Call(ctx, "Logs_20140328", "FilterLogEvents", request)
		if err != nil {
			return err
		}
		if err := show(text); err != nil {
			return err
		}
		var page struct {
			NextToken string
			Events    []struct{ Timestamp int64 }
		}
		if err := json.Unmarshal(text, &page); err != nil {
			return err
		}
		switch n := len(page.Events); {
		case page.NextToken != "":
			request["nextToken"] = page.NextToken
		case n < pageSize:
			return nil
		case page.Events[n-1].Timestamp == since:
			return fmt.Errorf("stack: more than %d lines of %s within a millisecond: they cannot all be read", pageSize, group)
		default:
			since = page.Events[n-1].Timestamp
			request["startTime"] = since
		}
	}
}

// LogLines returns the lines of every function's log that contain a text (without blanks), each once, in no order among the
// functions.
func (s *Stack) LogLines(ctx context.Context, containing string) ([]string, error) {
	groups, err := s.logGroups(ctx)
	if err != nil {
		return nil, err
	}
	var lines []string
	seen := map[string]bool{}
	for _, group := range groups {
		err := s.eachLogPage(ctx, group, strconv.Quote(containing), func(text []byte) error {
			var page struct{ Events []struct{ Message string } }
			err := json.Unmarshal(text, &page)
			for _, e := range page.Events {
				if !seen[e.Message] {
					seen[e.Message] = true
					lines = append(lines, e.Message)
				}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return lines, nil
}

func (s *Stack) queues(ctx context.Context, show Sink) error {
	type list struct {
		QueueUrls []string
	}
	found, err := call[list](ctx, s, "AmazonSQS", "ListQueues", map[string]any{})
	if err != nil {
		return err
	}
	for _, queue := range found.QueueUrls {
		messages, err := s.Receive(ctx, queue)
		if err != nil {
			return err
		}
		for _, m := range messages {
			if err := show("queue "+queue, []byte(m)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Stack) buckets(ctx context.Context, show Sink) error {
	var all struct {
		Buckets []string `xml:"Buckets>Bucket>Name"`
	}
	if err := s.getXML(ctx, "/", &all); err != nil {
		return err
	}
	for _, bucket := range all.Buckets {
		for after := ""; ; {
			var page struct {
				Keys      []string `xml:"Contents>Key"`
				Truncated bool     `xml:"IsTruncated"`
				Next      string   `xml:"NextContinuationToken"`
			}
			query := url.Values{"list-type": {"2"}, "max-keys": {strconv.Itoa(1000)}}
			if after != "" {
				query.Set("continuation-token", after)
			}
			if err := s.getXML(ctx, "/"+bucket+"?"+query.Encode(), &page); err != nil {
				return err
			}
			for _, key := range page.Keys {
				text, err := s.get(ctx, "s3", "/"+bucket+"/"+(&url.URL{Path: key}).EscapedPath())
				if err != nil {
					return err
				}
				if err := show("bucket "+bucket+"/"+key, text); err != nil {
					return err
				}
			}
			if after = page.Next; !page.Truncated || after == "" {
				break
			}
		}
	}
	return nil
}

func (s *Stack) getXML(ctx context.Context, path string, out any) error {
	text, err := s.get(ctx, "s3", path)
	if err != nil {
		return err
	}
	return xml.Unmarshal(text, out)
}

func (s *Stack) mail(ctx context.Context, show Sink) error {
	if s.Mail.InboxURL == "" {
		return nil
	}
	text, err := s.inbox(ctx)
	if err != nil {
		return err
	}
	return show("mail", text)
}
