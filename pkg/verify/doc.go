// Package verify decides about a presented secret: which principal it is of, whether it may be used now, and for what.
//
// It is the one place where a secret is judged: the authorizer, key-status and self-revocation all call it. It relies on
// strongly consistent reads of its Store, remembers no verdict, no status, no digest and no permission, and fails closed: a
// store that does not answer is neither a yes nor a no. It knows neither HTTP nor AWS.
package verify
