// Package billing holds the packages that companies are billed by, and what they limit.
//
// They are a file of the deployment, pkg/billing/packages.json: edit it and deploy. It is embedded when the functions are built;
// one that is not as it must be stops the functions that need it before their first request, and a test before that.
//
//	{
//	  "seats": 25,                      employees of the provider: a whole number from 1, or null for no limit
//	  "packages": [                     at least one, in the order in which they are offered
//	    {
//	      "id": "starter",              1 to 40 of a-z, 0-9, "_" and "-"; companies keep it, so it stays
//	      "name": "Starter",            a name, as every other
//	      "limits": {"keys": 10}        of a company: a whole number from 1, or null for no limit
//	    }
//	  ]
//	}
//
// Packages limit keys and never service accounts. One that companies still have, and that is not in the file any more, limits
// nothing.
package billing

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/rekey-dev/rekey/pkg/name"
)

//go:embed packages.json
var file []byte

// Catalogue is all that the file says.
type Catalogue struct {
	Seats    *int // of the provider's employees; nil for no limit
	Packages []Package
}

// Package is what a company is billed by.
type Package struct {
	ID     string
	Name   string
	Limits Limits
}

// Limits are what a company with a package may have; nil for no limit.
type Limits struct{ Keys *int }

// Read reads the deployment's file.
func Read() (Catalogue, error) { return Parse(file) }

var packageID = regexp.MustCompile(`^[a-z0-9_-]{1,40}$`)

// Parse reads a file, and refuses one that is not as it must be. No limit may be left out: what was forgotten would not be limited.
func Parse(text []byte) (Catalogue, error) {
	var c Catalogue
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Catalogue{}, fmt.Errorf("packages.json: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Catalogue{}, errors.New("packages.json: something follows the object")
	}
	if err := c.check(text); err != nil {
		return Catalogue{}, fmt.Errorf("packages.json: %w", err)
	}
	return c, nil
}

func (c Catalogue) check(text []byte) error {
	var said struct {
		Seats    json.RawMessage
		Packages []struct {
			Limits struct{ Keys json.RawMessage }
		}
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return err
	}
	switch {
	case said.Seats == nil:
		return errors.New("seats is missing; null is no limit")
	case c.Seats != nil && *c.Seats < 1:
		return fmt.Errorf("with %d seats nobody could run the deployment", *c.Seats)
	case len(c.Packages) == 0:
		return errors.New("there is no package")
	}
	seen := map[string]bool{}
	for i, p := range c.Packages {
		problem := name.Check(p.Name)
		switch {
		case !packageID.MatchString(p.ID):
			return fmt.Errorf("%q is no ID of a package", p.ID)
		case seen[p.ID]:
			return fmt.Errorf("there are two packages %s", p.ID)
		case problem != "":
			return fmt.Errorf("the name of package %s %s", p.ID, problem)
		case said.Packages[i].Limits.Keys == nil:
			return fmt.Errorf("limits.keys of package %s is missing; null is no limit", p.ID)
		case p.Limits.Keys != nil && *p.Limits.Keys < 1:
			return fmt.Errorf("package %s allows %d keys", p.ID, *p.Limits.Keys)
		}
		seen[p.ID] = true
	}
	return nil
}

// Has tells whether there is a package.
func (c Catalogue) Has(id string) bool {
	for _, p := range c.Packages {
		if p.ID == id {
			return true
		}
	}
	return false
}

// Keys returns how many keys a company with a package may have; 0 for as many as it likes.
func (c Catalogue) Keys(id string) int {
	for _, p := range c.Packages {
		if p.ID == id && p.Limits.Keys != nil {
			return *p.Limits.Keys
		}
	}
	return 0
}
