package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// The packages of the functions that are measured, from the module's top level, where this program is run.
const (
	authorizerPackage = "./functions/authorizer"
	storelessPackage  = "./infra/bench/storeless"
	unwarmedPackage   = "./infra/bench/unwarmed"
	helloPackage      = "./pkg/repotest/testdata/hello"
)

// build makes a function's binary as `sam build` does, for an architecture, and returns its path.
func build(ctx context.Context, pkg, arch, folder string) (string, error) {
	out := filepath.Join(folder, filepath.Base(pkg)+"-"+arch)
	c := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if text, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", c, err, text)
	}
	return out, nil
}

func binarySizes(ctx context.Context, _ settings) ([]Figure, error) {
	folder, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	sizes := map[string]float64{}
	for _, pkg := range []string{authorizerPackage, helloPackage} {
		path, err := build(ctx, pkg, "arm64", folder)
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		sizes[pkg] = float64(info.Size())
	}
	authorizer, hello := sizes[authorizerPackage], sizes[helloPackage]
	f := at("authorizer binary / hello world, arm64", authorizer/hello, 1.4, fmt.Sprintf("%.2f / %.2f MB, %s", authorizer/1e6, hello/1e6, runtime.Version()))
	f.Measured = fmt.Sprintf("%.3f", authorizer/hello) + f.Measured[len(number(authorizer/hello)):]
	return []Figure{f}, nil
}
