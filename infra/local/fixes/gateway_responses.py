"""Fixes to what API Gateway answers when no handler does."""

import contextvars
import re

_authorizer_context = contextvars.ContextVar("authorizer_context", default=None)


class _HandlerFailed(Exception):
    """A handler that crashed (502) or was throttled (500)."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status


def from_the_template():
    """AWS: the gateway responses of the template are in force, with $context.authorizer.* put in as it is (gateway
    response templates escape nothing).
    MiniStack: SAM's GatewayResponses, which travel in the OpenAPI body, are dropped, and $context.authorizer.* is
    sent as it stands."""
    from ministack.services import apigateway_v1 as gateway

    from fixes.patch import wrap

    def import_responses(import_api):
        def run(spec, base=None):
            api_id = import_api(spec, base)
            for kind, response in (spec.get("x-amazon-apigateway-gateway-responses") or {}).items():
                if gateway._put_gateway_response(api_id, kind, response)[0] >= 400:
                    raise ValueError(f"gateway response {kind} refused")
            return api_id
        return run

    def remember_context(invoke):
        async def run(*args):
            result = await invoke(*args)
            if result and isinstance(result.get("body"), dict):
                _authorizer_context.set(gateway._stringify_context(result["body"].get("context")))
            return result
        return run

    def fill_in(render):
        def run(error, request):
            status, headers, body = render(error, request)
            context = _authorizer_context.get() or {}
            body = re.sub(r"\$context\.authorizer\.(\w+)|\$\{context\.authorizer\.(\w+)\}",
                          lambda name: context.get(name[1] or name[2], ""), body.decode())
            return status, headers, body.encode()
        return run

    wrap(gateway, "_import_rest_api", import_responses)
    wrap(gateway, "_invoke_authorizer_lambda", remember_context)
    wrap(gateway, "_gateway_error_response", fill_in)


def failed_handlers():
    """AWS: a handler that crashes answers DEFAULT_5XX with 502, a throttled one with 500, unless the template gives
    DEFAULT_5XX a status.
    MiniStack: the client gets the function's error with its stack, or Lambda's own 429."""
    from ministack.services import apigateway_v1 as gateway

    from fixes.patch import wrap

    def refuse_errors(shape):
        def run(result):
            if result.get("throttle"):
                raise _HandlerFailed(500)
            if result.get("error"):
                raise _HandlerFailed(502)
            return shape(result)
        return run

    def as_gateway_error(execute):
        async def run(request, *args):
            try:
                return await execute(request, *args)
            except _HandlerFailed as failure:
                error = gateway._gw_error("DEFAULT_5XX", "Internal server error")
                error.handler_status = failure.status
                return error
        return run

    def keep_status(render):
        def run(error, request):
            status, headers, body = render(error, request)
            deployments = gateway._deployed_gateway_responses.get(request["api_id"], {})
            responses = deployments.get((request["stage"] or {}).get("deploymentId")) or {}
            if hasattr(error, "handler_status") and not responses.get("DEFAULT_5XX", {}).get("statusCode"):
                status = error.handler_status
            return status, headers, body
        return run

    wrap(gateway, "_lambda_proxy_response", refuse_errors)
    wrap(gateway, "_execute_in_scope", as_gateway_error)
    wrap(gateway, "_gateway_error_response", keep_status)
