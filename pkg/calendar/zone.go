package calendar

import "time"

// wall is a local date and time without a zone: the seconds since 1970 that it would be in UTC.
type wall int64

const day = 24 * 60 * 60

func wallOf(t time.Time, loc *time.Location) wall {
	_, offset := t.In(loc).Zone()
	return wall(t.Unix() + int64(offset))
}

// dateWall is the midnight that begins a date.
func dateWall(year int, month time.Month, d int) wall {
	return wall(time.Date(year, month, d, 0, 0, 0, 0, time.UTC).Unix())
}

// utc is the wall as if it were in UTC: for arithmetic of dates.
func (w wall) utc() time.Time { return time.Unix(int64(w), 0).UTC() }

// midnight is the beginning of the wall's date.
func (w wall) midnight() wall { return w - wall(mod(int64(w), day)) }

// weekday is that of the wall's date. 1 January 1970 was a Thursday.
func (w wall) weekday() time.Weekday { return time.Weekday(mod(floor(int64(w), day)+4, 7)) }

// in is the instant at which clocks in a zone show the wall. One that they skip is read with the offset before the gap, one
// that they show twice is the first of the two.
func (w wall) in(loc *time.Location) time.Time {
	_, before := time.Unix(int64(w)-day, 0).In(loc).Zone()
	_, after := time.Unix(int64(w)+day, 0).In(loc).Zone()
	t := time.Unix(int64(w)-int64(before), 0).UTC()
	if before == after || wallOf(t, loc) == w {
		return t
	}
	if late := time.Unix(int64(w)-int64(after), 0).UTC(); wallOf(late, loc) == w {
		return late
	}
	return t
}

// floor is a divided by b, rounded down; b is positive.
func floor(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// mod is what floor leaves; it is never negative.
func mod(a, b int64) int64 { return a - floor(a, b)*b }

// zones finds zones by their names, each once.
type zones struct {
	load  func(name string) (*time.Location, error)
	found map[string]*time.Location
}

func newZones() *zones { return &zones{load: LoadZone, found: map[string]*time.Location{}} }

func (z *zones) get(name string) (*time.Location, error) {
	if loc := z.found[name]; loc != nil {
		return loc, nil
	}
	loc, err := z.load(name)
	if err == nil {
		z.found[name] = loc
	}
	return loc, err
}

// LoadZone finds a zone by its name in the IANA database. The function has to have a database: on Lambda, its main embeds one.
func LoadZone(name string) (*time.Location, error) {
	if name == "" || name == "Local" || len(name) > 64 {
		return nil, &Problem{Field: "time_zone", Detail: `is no name of the IANA time zone database, like "Europe/Berlin"`}
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, &Problem{Field: "time_zone", Detail: `is no name of the IANA time zone database, like "Europe/Berlin"`}
	}
	return loc, nil
}
