package httpapi

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/token"
)

// log writes the one record of a request. The route is its template: a path can hold anything, a secret too. An error is
// logged with its causes, of which the caller sees nothing, and with whatever looks like a secret cut out.
func (a *API) log(ctx context.Context, x *exchange, method string, status int) {
	route := "unknown"
	if x.op != nil {
		route = x.op.Path
	} else {
		method = token.Redact(method[:min(len(method), 10)])
	}
	attrs := []slog.Attr{
		slog.String("method", method), slog.String("route", route), slog.Int("status", status),
		slog.String("code", string(x.code)), slog.String("principal", x.caller.ID), slog.String("key_id", x.caller.KeyID),
		slog.String("company", string(x.caller.Place.Company)),
		slog.Int64("latency_ms", a.settings.Now().Sub(x.now).Milliseconds()), slog.String("request_id", x.request.ID),
	}
	if x.err != nil {
		attrs = append(attrs, slog.String("error", token.Redact(x.err.Error())))
	}
	level := slog.LevelInfo
	if status >= http.StatusInternalServerError || x.code == fault.Internal {
		level = slog.LevelError
	}
	a.settings.Log.LogAttrs(ctx, level, "request", attrs...)
}
