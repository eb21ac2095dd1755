// Package dynamo keeps rekey's state in four DynamoDB tables. It is the only package that knows DynamoDB.
//
// Verifier is what a verdict reads and writes, and all that the authorizer links; Store is everything. schema.go tells the
// whole layout: every item, every access pattern. keys.go builds every key. Every read is strongly consistent, no put is
// unconditional, and no function scans: CountPepperUse is for an operator's tool.
//
// The package relies on the domain's values and on the SDK's DynamoDB client. It knows no HTTP, takes no decision that
// belongs to the domain, and reads no environment.
package dynamo
