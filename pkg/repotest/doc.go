// Package repotest holds the repository to its own rules: who may import what, what the template may contain, that
// tables, routes and samples agree with the code. It has tests only, reads files of this repository and nothing else.
package repotest
