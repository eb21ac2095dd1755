// Package isolation holds the walls between places against a plain model: every operation of the OpenAPI document, called through
// the real authorizer and the real handlers as every kind of caller, against an object at every kind of place.
//
// It has tests only. The cases come from the document: which parameters and members of an operation are IDs, and of what. What
// is to come of a case comes from a model of sets and loops that shares no code with the product: who stands where, and holds
// what. A route, or a member that looks like an ID, of which the tables here know nothing fails.
package isolation
