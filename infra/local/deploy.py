"""Deploys a SAM template into the emulator: translate, upload what was built, create or update the stack.

The template is the one that `sam deploy` takes; only each function's code is replaced by what was built for this
machine.
"""

import hashlib
import io
import json
import logging
import os
import time
import zipfile
from types import SimpleNamespace

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from emulator import Failure

BUCKET = "local-artifacts"
TEMPLATE = "template.json"
logging.getLogger("samtranslator").setLevel(logging.ERROR)
UNFINISHED = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED")


def client(endpoint, service):
    return boto3.client(service, endpoint_url=endpoint, config=Config(retries={"max_attempts": 1}))


def read_template(path):
    with open(path) as file:
        return yaml_parse(file)


def functions(template):
    """The logical IDs of the functions that are built from this repository."""
    return [name for name, resource in template["Resources"].items() if resource["Type"] == "AWS::Serverless::Function"]


def deploy(endpoint, template, stack, build_folder, parameters=None):
    """Deploys the template, with the code of function F from build_folder/F/bootstrap.

    Parameters that the template does not have are left out. Returns {logical ID: physical name}.
    """
    parameters = {name: value for name, value in (parameters or {}).items() if name in template.get("Parameters", {})}
    s3 = client(endpoint, "s3")
    _upload_code(s3, template, build_folder)
    try:
        translated = transform(template, dict(parameters), SimpleNamespace(load=dict))
    except InvalidDocumentException as error:
        raise Failure("the template is not valid: " + "; ".join(cause.message for cause in error.causes)) from error
    s3.put_object(Bucket=BUCKET, Key=TEMPLATE, Body=json.dumps(translated, default=str).encode())
    _create_or_update(client(endpoint, "cloudformation"), {
        "StackName": stack,
        "TemplateURL": f"{endpoint}/{BUCKET}/{TEMPLATE}",  # as text it is over the 51,200 bytes that are accepted
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        "Parameters": [{"ParameterKey": name, "ParameterValue": str(value)} for name, value in parameters.items()],
    })
    return physical_names(endpoint, stack)


def physical_names(endpoint, stack):
    pages = client(endpoint, "cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    return {resource["LogicalResourceId"]: resource["PhysicalResourceId"]
            for page in pages for resource in page["StackResourceSummaries"]}


def _upload_code(s3, template, build_folder):
    try:
        s3.create_bucket(Bucket=BUCKET)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise
    present = {entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])}
    used = set()
    for name in functions(template):
        with open(os.path.join(build_folder, name, "bootstrap"), "rb") as file:
            code = file.read()
        key = hashlib.sha256(code).hexdigest() + ".zip"
        if key not in present | used:
            s3.put_object(Bucket=BUCKET, Key=key, Body=_zip(code))
        used.add(key)
        template["Resources"][name].setdefault("Properties", {})["CodeUri"] = f"s3://{BUCKET}/{key}"
    for key in present - used - {TEMPLATE}:
        s3.delete_object(Bucket=BUCKET, Key=key)


def _zip(code):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        file.writestr(entry, code)
    return archive.getvalue()


def _create_or_update(formation, request):
    stack = request["StackName"]
    status = _status(formation, stack)
    if status in UNFINISHED:  # nothing was ever stored in it, and it can only be made anew
        formation.delete_stack(StackName=stack)
        _settled(formation, stack)
        status = None
    try:
        (formation.update_stack if status else formation.create_stack)(**request)
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise Failure(f"the stack was refused: {error.response['Error']['Message'][:2000]}") from error
        return
    status = _settled(formation, stack)
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise Failure(f"the deployment ended in {status}:\n{_failures(formation, stack)}")


def _status(formation, stack):
    try:
        status = formation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
    except ClientError:
        return None
    return None if status == "DELETE_COMPLETE" else status


def _settled(formation, stack):
    while True:
        status = _status(formation, stack)
        if status is None or not status.endswith("IN_PROGRESS"):
            return status
        time.sleep(0.05)


def _failures(formation, stack):
    events = formation.describe_stack_events(StackName=stack)["StackEvents"]
    return "\n".join(f"  {event['LogicalResourceId']} ({event['ResourceType']}): "
                     f"{event.get('ResourceStatusReason', event['ResourceStatus'])}"
                     for event in events if "FAILED" in event["ResourceStatus"])
