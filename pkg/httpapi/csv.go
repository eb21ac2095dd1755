package httpapi

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

const (
	csvType      = "text/csv"
	csvMediaType = csvType + "; charset=utf-8" // as it is sent
)

// Format is embedded in the input of an operation that answers with CSV too.
type Format struct {
	Format string `query:"format" enum:"json,csv" default:"json" doc:"csv: a file by RFC 4180 with one header line"`
}

// CSV tells whether CSV is asked for.
func (f Format) CSV() bool { return f.Format == "csv" }

// Table is the body of an answer in CSV.
type Table struct {
	File    string // its name, of letters, digits, "-", "_" and "."
	Columns []string
	Rows    [][]string // each as long as Columns
	Next    string     // the cursor of the next page, which goes into a header; "" at the end
}

// write makes a response of the table, by RFC 4180: lines end with CRLF.
func (t *Table) write(status int) (response, error) {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	w.UseCRLF = true
	if err := w.Write(t.Columns); err != nil {
		return response{}, fmt.Errorf("httpapi: %w", err)
	}
	for _, row := range t.Rows {
		if len(row) != len(t.Columns) {
			return response{}, fmt.Errorf("httpapi: %s: a row of %d cells under %d columns", t.File, len(row), len(t.Columns))
		}
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = inert(cell)
		}
		if err := w.Write(cells); err != nil {
			return response{}, fmt.Errorf("httpapi: %w", err)
		}
	}
	w.Flush()
	header := map[string]string{"Content-Disposition": `attachment; filename="` + t.File + `"`}
	if t.Next != "" {
		header["Rekey-Next"] = t.Next
	}
	return response{status: status, body: out.Bytes(), media: csvMediaType, header: header}, w.Error()
}

// inert puts an apostrophe before what a spreadsheet would take for a formula: what a stranger sent as user agent must not run
// on the machine of whoever opens the file. It is what OWASP advises on CSV injection.
func inert(cell string) string {
	for _, sign := range []string{"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"} {
		if strings.HasPrefix(cell, sign) {
			return "'" + cell
		}
	}
	return cell
}

// documentCSV adds the second form of an operation's answer to its document.
func documentCSV(success *huma.Response) {
	success.Content[csvType] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString,
		Description: "One header line; a cell that a spreadsheet would take for a formula begins with an apostrophe"}}
	text := &huma.Schema{Type: huma.TypeString}
	success.Headers["Content-Disposition"] = &huma.Param{Description: "With CSV: an attachment, and its name", Schema: text}
	success.Headers["Rekey-Next"] = &huma.Param{Description: "With CSV: the cursor of the next page of a list; none at the end", Schema: text}
}

// checkCSV refuses CSV where an answer may be kept for a repeat, or changes anything.
func (op *Operation) checkCSV() {
	if op.CSV && op.Method != http.MethodGet {
		panic("httpapi: " + op.ID + ": only a GET answers with CSV")
	}
}
