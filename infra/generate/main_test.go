package main

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
)

const repository = "../.."

func TestGenerate_WhatIsInTheRepositoryIsWhatTheCodeSays(t *testing.T) {
	files, err := generated()
	require.NoError(t, err)
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(repository, name))
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), "%s is stale: run make generate", name)
	}
}

type route struct {
	function, method, path string
	public                 bool
}

func sorted(routes []route) []route {
	slices.SortFunc(routes, func(a, b route) int {
		return cmp.Or(cmp.Compare(a.function, b.function), cmp.Compare(a.path, b.path), cmp.Compare(a.method, b.method))
	})
	return routes
}

// inTemplate reads the functions' API events.
func inTemplate(t *testing.T) []route {
	text, err := os.ReadFile(filepath.Join(repository, "template.yaml"))
	require.NoError(t, err)
	var template struct {
		Resources map[string]struct {
			Type       string `yaml:"Type"`
			Properties struct {
				Events map[string]struct {
					Type       string `yaml:"Type"`
					Properties struct {
						Method string `yaml:"Method"`
						Path   string `yaml:"Path"`
						Auth   struct {
							Authorizer string `yaml:"Authorizer"`
						} `yaml:"Auth"`
					} `yaml:"Properties"`
				} `yaml:"Events"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	require.NoError(t, yaml.Unmarshal(text, &template))
	var out []route
	for function, r := range template.Resources {
		if r.Type != "AWS::Serverless::Function" {
			continue
		}
		for _, e := range r.Properties.Events {
			if e.Type == "Api" {
				p := e.Properties
				out = append(out, route{function, strings.ToUpper(p.Method), p.Path, p.Auth.Authorizer == "NONE"})
			}
		}
	}
	return sorted(out)
}

func TestRoutes_AreThoseOfTheTemplateFunctionByFunction_P1(t *testing.T) {
	var registered []route
	for _, r := range resources {
		a := httpapi.New(httpapi.Settings{})
		r.register(a)
		for _, o := range a.Routes() {
			registered = append(registered, route{r.function, o.Method, o.Path, o.Public})
		}
	}
	require.Equal(t, inTemplate(t), sorted(registered))
}

// Only reading and verification of keys and accounts, and reading of the companies whose suspension stops keys and of the employees whose
// tokens end with them, go without a record of their refusal.
func TestRoutes_EveryRefusedKeyManagementIsRecorded_D8(t *testing.T) {
	for _, r := range everything().Routes() {
		noun, verb, _ := strings.Cut(string(r.Permission), ":")
		managed := (noun == "keys" || noun == "service_accounts" || noun == "companies" || noun == "employees") && verb != "read" && verb != "verify"
		require.Equal(t, managed, r.Denied != nil, "%s %s", r.Method, r.Path)
		if r.Denied != nil {
			require.Equal(t, strings.Contains(r.Path, "{id}"), r.Denied.TargetParam == "id", "%s %s", r.Method, r.Path)
		}
	}
}

func TestDocument_SaysOfEveryOperationWhoMayCallItAndHowItFails(t *testing.T) {
	a := everything()
	require.Equal(t, "3.1.0", a.OpenAPI().OpenAPI)
	require.Equal(t, "/v1", a.OpenAPI().Servers[0].URL)
	for _, r := range a.Routes() {
		item := a.OpenAPI().Paths[r.Path]
		for _, op := range []struct {
			method    string
			operation any
		}{{"GET", item.Get}, {"POST", item.Post}, {"PATCH", item.Patch}, {"DELETE", item.Delete}} {
			if op.method == r.Method {
				require.NotNil(t, op.operation)
			}
		}
		op := item.Get
		switch r.Method {
		case "POST":
			op = item.Post
		case "PATCH":
			op = item.Patch
		case "DELETE":
			op = item.Delete
		}
		at := r.Method + " " + r.Path
		require.NotEmpty(t, op.OperationID, at)
		require.NotEmpty(t, op.Summary, at)
		require.Equal(t, r.Public, len(op.Security) == 0, at)
		for _, status := range []string{"422", "429", "500", "503"} {
			require.Contains(t, op.Responses, status, at)
			require.Contains(t, op.Responses[status].Content, "application/problem+json", at)
		}
		require.Contains(t, op.Responses["422"].Description, string(fault.Invalid), at)
		if !r.Public {
			require.Contains(t, op.Responses, "401", at)
		}
		if r.Permission != "" {
			require.Contains(t, op.Responses, "403", at)
		}
	}
}
