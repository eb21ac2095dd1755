package isolation

// rule is what the document does not say of an operation. The zero rule is that of most: {id} is of the noun that the path begins
// with, and who may gets the operation's success.
type rule struct {
	noun       string                           // what {id} is of, or what a list lists, where the path does not say
	then       func(c caller, o object) outcome // what comes of it for who may, where that is not success
	anywhere   bool                             // it answers the same wherever {id} stands, and when it is of nothing
	unfinished bool                             // nobody can finish it here: it takes what only an authenticator answers
	catalogue  bool                             // a list that is the same for everybody
}

var (
	inUse     = outcome{409, "in_use"}
	suspended = outcome{409, "company_suspended"}
)

func always(o outcome) func(caller, object) outcome { return func(caller, object) outcome { return o } }

// open refuses what is new in a suspended company.
func open(_ caller, o object) outcome {
	if o.at == suspendedCo {
		return suspended
	}
	return fine
}

// outside refuses who works inside a company.
func outside(c caller, _ object) outcome {
	if c.inside {
		return outcome{403, "missing_permission"}
	}
	return fine
}

// over refuses who would change an employee, oneself included, or end another's token, and could not give them the role that they
// have. Only an owner touches an owner.
func over(c caller, o object) outcome {
	if o.who.owner && !c.owner || o.who.wild && !c.wild || len(without(o.who.holds, and(c.role, c.scopes))) > 0 {
		return outcome{403, "not_grantable"}
	}
	return fine
}

// own refuses what is the employee's own to a credential that carries less than the role; one ends itself all the same.
func own(c caller, o object) outcome {
	switch {
	case o.of != c.id:
		return over(c, o)
	case c.inPerson(), o.id == tokenOf(c.secret), o.id == sessionOf(c.secret):
		return fine
	}
	return outcome{403, "not_grantable"}
}

// overThen is what comes of it for who could give them their role: one thing while they are invited, another afterwards.
func overThen(invited, active outcome) func(caller, object) outcome {
	return func(c caller, o object) outcome {
		if out := over(c, o); out != fine {
			return out
		}
		if o.who.invited {
			return invited
		}
		return active
	}
}

// rules has a line for every operation.
var rules = map[string]rule{
	"GET /health":            {},
	"GET /openapi.json":      {},
	"POST /setup":            {},
	"POST /key-status":       {},
	"POST /keys/self-revoke": {},

	"GET /me": {},
	"POST /me/key/rotate": {then: func(c caller, _ object) outcome {
		if c.person {
			return outcome{409, "conflict"}
		}
		return fine
	}},
	"GET /permissions": {catalogue: true},
	"GET /packages":    {},
	"GET /usage":       {noun: "companies"},

	"GET /protected-apis":         {},
	"POST /protected-apis":        {},
	"GET /protected-apis/{id}":    {},
	"PATCH /protected-apis/{id}":  {},
	"DELETE /protected-apis/{id}": {},
	"POST /verify":                {},

	"GET /audit-events":      {},
	"GET /audit-events/{id}": {},

	"GET /nodes":        {},
	"POST /nodes":       {},
	"GET /nodes/{id}":   {},
	"PATCH /nodes/{id}": {},
	"DELETE /nodes/{id}": {then: func(_ caller, o object) outcome {
		if o.at == root {
			return outcome{409, "conflict"}
		}
		return inUse
	}},

	"GET /companies":               {},
	"POST /companies":              {},
	"GET /companies/{id}":          {},
	"PATCH /companies/{id}":        {},
	"DELETE /companies/{id}":       {then: always(inUse)},
	"POST /companies/{id}/suspend": {},
	"POST /companies/{id}/resume":  {},

	"GET /roles":         {},
	"POST /roles":        {},
	"GET /roles/{id}":    {},
	"PATCH /roles/{id}":  {},
	"DELETE /roles/{id}": {},

	"POST /companies/{id}/assume": {then: func(c caller, o object) outcome {
		if c.inside {
			return outcome{403, "not_grantable"}
		}
		return open(c, o)
	}},

	"POST /sessions/challenges": {},
	"POST /sessions":            {},
	"GET /sessions":             {then: outside},
	"DELETE /sessions/{id}":     {then: own},

	"POST /credentials/challenges": {},
	"POST /credentials/with-code":  {},
	"POST /credentials/codes": {then: func(c caller, _ object) outcome {
		switch {
		case !c.person || c.inside:
			return outcome{403, "missing_permission"}
		case !c.key && !c.owner: // whose token is that of set-up
			return outcome{403, "not_grantable"}
		}
		return fine
	}},
	"GET /employees/{id}/credentials": {then: func(c caller, o object) outcome { return c.keys("credentials:read", o) }},
	"POST /employees/{id}/credentials": {unfinished: true, anywhere: true, then: func(c caller, o object) outcome {
		switch {
		case !c.person || c.inside:
			return outcome{403, "missing_permission"}
		case o.id == c.id: // nothing is answered that an authenticator would have signed
			return invalid
		}
		return outcome{403, "not_grantable"}
	}},
	"GET /credentials/{id}":    {},
	"DELETE /credentials/{id}": {then: own},

	"GET /employees":                           {},
	"POST /employees":                          {},
	"GET /employees/{id}":                      {},
	"PATCH /employees/{id}":                    {then: over},
	"DELETE /employees/{id}":                   {then: over}, // nobody here is the last owner
	"POST /employees/{id}/resend-invitation":   {then: overThen(fine, outcome{409, "conflict"})},
	"POST /employees/{id}/revoke-invitation":   {then: overThen(fine, outcome{409, "conflict"})},
	"POST /employees/{id}/reset-second-factor": {then: overThen(outcome{409, "conflict"}, fine)},

	"GET /personal-access-tokens": {then: outside},
	"POST /personal-access-tokens": {then: func(c caller, o object) outcome {
		if c.inside {
			return outside(c, o)
		}
		if !c.person || len(without(c.role, c.scopes)) > 0 { // it carries all of the role
			return outcome{403, "not_grantable"}
		}
		return fine
	}},
	"GET /personal-access-tokens/{id}":    {},
	"DELETE /personal-access-tokens/{id}": {then: own},

	"GET /service-accounts":                       {},
	"POST /service-accounts":                      {then: open},
	"GET /service-accounts/{id}":                  {},
	"PATCH /service-accounts/{id}":                {},
	"DELETE /service-accounts/{id}":               {then: always(inUse)},
	"GET /service-accounts/{id}/effective-policy": {},
	"GET /service-accounts/{id}/keys":             {},
	"POST /service-accounts/{id}/keys":            {then: open},
	"POST /service-accounts/{id}/revoke":          {},
	"POST /service-accounts/{id}/rotate":          {then: open},
	"POST /service-accounts/{id}/unlock":          {},

	"GET /keys":                  {},
	"GET /keys/{id}":             {},
	"PATCH /keys/{id}":           {},
	"POST /keys/{id}/activate":   {},
	"POST /keys/{id}/deactivate": {},
	"POST /keys/{id}/regenerate": {},
	"POST /keys/{id}/revoke":     {},
	"POST /keys/{id}/rotate":     {then: open},
	"GET /keys/{id}/usage":       {},

	"GET /rotations":                {},
	"GET /rotations/{id}":           {},
	"GET /rotations/{id}/report":    {},
	"POST /rotations/{id}/cancel":   {},
	"POST /rotations/{id}/complete": {},
	"POST /rotations/{id}/extend":   {},

	"GET /rotation-policies":              {},
	"POST /rotation-policies":             {},
	"GET /rotation-policies/{id}":         {},
	"PATCH /rotation-policies/{id}":       {},
	"DELETE /rotation-policies/{id}":      {},
	"GET /rotation-policies/{id}/preview": {},

	"GET /calendars":         {},
	"POST /calendars":        {},
	"GET /calendars/{id}":    {},
	"PATCH /calendars/{id}":  {},
	"DELETE /calendars/{id}": {},
}
