"""Fixes to the events that API Gateway makes for authorizers and handlers."""

import contextvars

_scope = contextvars.ContextVar("scope")            # the request as the HTTP server saw it
_request_id = contextvars.ContextVar("request_id")  # the one that the answer carries


def true_events():
    """AWS: sourceIp is the TCP peer; a repeated header arrives value by value in multiValueHeaders, names as the
    client spelled them first; authorizer, handler, $context.requestId and x-amzn-requestid share one request ID.
    MiniStack: sourceIp is whatever X-Forwarded-For says, repeated headers are joined by ", ", names are in lower
    case, and authorizer, handler and answer have different request IDs or none."""
    from hypercorn.config import Config
    from ministack import app
    from ministack.services import apigateway_v1 as gateway

    from fixes.patch import wrap

    if not hasattr(Config, "h11_pass_raw_headers"):
        raise AttributeError("hypercorn's Config has no h11_pass_raw_headers any more")
    Config.h11_pass_raw_headers = True

    def remember_scope(asgi):
        async def serve(scope, receive, send):
            _scope.set(scope)
            await asgi(scope, receive, send)
        return serve

    def remember_request(execute):
        async def run(request, *args):
            _request_id.set(request["request_id"])
            answer = await execute(request, *args)
            if isinstance(answer, tuple):
                answer[1]["x-amzn-requestid"] = request["request_id"]
            return answer
        return run

    def correct_authorizer(invoke):
        async def run(authorizer, event, *args):
            return await invoke(authorizer, _correct(event), *args)
        return run

    def correct_handler(build):
        return lambda *args, **options: _correct(build(*args, **options))

    wrap(app, "app", remember_scope)
    wrap(gateway, "_execute_in_scope", remember_request)
    wrap(gateway, "_invoke_authorizer_lambda", correct_authorizer)
    wrap(gateway, "_build_lambda_event_v1", correct_handler)


def _correct(event):
    values, spelled = {}, {}
    for name, value in _scope.get()["headers"]:
        name = name.decode("latin-1")
        values.setdefault(spelled.setdefault(name.lower(), name), []).append(value.decode("latin-1"))
    event["multiValueHeaders"] = values
    event["headers"] = {name: all_values[-1] for name, all_values in values.items()}
    context = event["requestContext"]
    context["requestId"] = context["extendedRequestId"] = _request_id.get()
    context["identity"]["sourceIp"] = _scope.get()["client"][0]
    context.setdefault("path", f"/{context['stage']}{event['path']}")
    return event


def any_account():
    """AWS: an Authorization header that looks like a signature of another account changes nothing on a route that
    asks for none.
    MiniStack: it looks for the API in the account that the header names, and answers a bare 404."""
    from ministack.services import apigateway_v1 as gateway

    from fixes.patch import wrap

    def anywhere(find):
        def search(api_id):
            return find(api_id) or next(((account, region) for (account, region, stored), _
                                         in gateway._rest_apis.all_items() if stored == api_id), None)
        return search
    wrap(gateway, "find_api_scope", anywhere)
