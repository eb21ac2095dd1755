"""Fixes to how Secrets Manager rotates."""

import logging
import threading
import time

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


def four_steps():
    """AWS: RotateSecret makes a version without a value, labelled AWSPENDING, and invokes the rotation function four
    times, beside its answer; a step that fails ends the attempt, and a rotation under way refuses another.
    MiniStack: it invokes nothing and makes a copy of the current value the current one. Here an attempt that failed is
    not repeated: RotateSecret with the same ClientRequestToken goes on with it, as on AWS."""
    from ministack.core.responses import get_account_id, get_region, request_scope
    from ministack.services import lambda_svc
    from ministack.services import secretsmanager as manager

    from fixes.patch import wrap

    def invoke(arn, secret, version):
        function, config, _ = lambda_svc._get_func_record_for_ref(arn)
        for step in STEPS if function else ():
            event = {"Step": step, "SecretId": secret["ARN"], "ClientRequestToken": version}
            record = lambda_svc._execution_record_for_config(function, config)
            if lambda_svc._execute_function_with_config_scope(record, event).get("error"):
                logging.getLogger("rotations").error("%s of %s failed", step, secret["Name"])
                return

    def rotate(original):
        def run(data):
            _, secret = manager._resolve(data.get("SecretId"))
            arn = data.get("RotationLambdaARN") or (secret or {}).get("RotationLambdaARN")
            if not secret or secret.get("DeletedDate") or not arn:
                return original(data)
            version = data.get("ClientRequestToken") or manager.new_uuid()
            pending, current = (manager._find_stage_version(secret, label)[0] for label in ("AWSPENDING", "AWSCURRENT"))
            if pending not in (None, version, current):
                return manager.error_response_json(
                    "InvalidRequestException", "A previous rotation isn't complete.", 400)
            secret.update(RotationEnabled=True, RotationLambdaARN=arn)
            secret["Versions"].setdefault(version, {
                "SecretString": None, "SecretBinary": None, "CreatedDate": int(time.time()), "Stages": ["AWSPENDING"]})
            account, region = get_account_id(), get_region()

            def steps():
                with request_scope(account, region):
                    invoke(arn, secret, version)
            threading.Thread(target=steps, daemon=True).start()
            return manager.json_response({"ARN": secret["ARN"], "Name": secret["Name"], "VersionId": version})
        return run
    wrap(manager, "_rotate_secret", rotate)
