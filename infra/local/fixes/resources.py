"""Fixes to how CloudFormation makes and updates resources."""

import json


def stable_api_id():
    """AWS: a changed OpenAPI body is put into the API, whose ID and URL stay.
    MiniStack: the API gets a new ID and the old URL is dead. Here the new one is imported beside it and moved."""
    from ministack.services import apigateway_v1 as gateway
    from ministack.services.cloudformation import provisioners

    def keep_id(update):
        def run(api_id, old, new, stack, logical_id=None):
            if new.get("Body") == old.get("Body") or not isinstance(new.get("Body"), dict):
                return update(api_id, old, new, stack, logical_id)
            imported, _ = provisioners._apigw_rest_api_create(logical_id or api_id, new, stack)
            for store in (gateway._resources, gateway._authorizers_v1, gateway._gateway_responses, gateway._models):
                store[api_id] = store[imported]
            created = gateway._rest_apis[api_id]["createdDate"]
            gateway._rest_apis[api_id] = dict(gateway._rest_apis[imported], id=api_id, createdDate=created)
            gateway._delete_rest_api(imported)
            return api_id, provisioners._apigw_rest_api_attrs(api_id)
        return run

    handlers = provisioners._RESOURCE_HANDLERS["AWS::ApiGateway::RestApi"]
    handlers["update"] = keep_id(handlers["update"])


def route_throttles():
    """AWS: MethodSettings name a route by its path with "/" written as "~1": "/~1keys~1{id}".
    MiniStack: it looks for the path as it is and never finds the setting, so the route is not throttled."""
    from ministack.services.cloudformation import provisioners

    from fixes.patch import wrap

    def readable(settings_of):
        def run(raw):
            return {key.replace("~1", "/").replace("//", "/"): value for key, value in settings_of(raw).items()}
        return run
    wrap(provisioners, "_apigw_method_settings", readable)


def generated_secrets():
    """AWS: GenerateSecretString follows every one of its settings and draws from a secure generator.
    MiniStack: only length, template, key and ExcludeCharacters count, so a base62 secret gets punctuation. Here the
    emulator's own GetRandomPassword draws it."""
    from ministack.services import secretsmanager
    from ministack.services.cloudformation import provisioners

    from fixes.patch import wrap

    def typed(name, value):
        if name == "ExcludeCharacters":
            return value
        return int(value) if name == "PasswordLength" else str(value).lower() == "true"

    def draw(original):
        def run(props):
            settings = props.get("GenerateSecretString")
            if not settings or props.get("SecretString"):
                return original(props)
            status, _, body = secretsmanager._get_random_password({
                name: typed(name, value) for name, value in settings.items()
                if name not in ("SecretStringTemplate", "GenerateStringKey")})
            if status >= 400:
                raise ValueError(f"GenerateSecretString: {body!r}")
            secret = json.loads(body)["RandomPassword"]
            if not settings.get("SecretStringTemplate"):
                return secret
            return json.dumps({**json.loads(settings["SecretStringTemplate"]), settings["GenerateStringKey"]: secret})
        return run
    wrap(provisioners, "_sm_secret_string", draw)
