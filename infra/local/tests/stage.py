"""Emulators with the probe deployed, for the tests: one for each set of fixes left out, started when asked for."""

import http.client
import json
import os
import pathlib
import subprocess
import tempfile
import time
import unittest

import emulator
from deploy import client, deploy, functions, read_template

HERE = pathlib.Path(__file__).parent
NAME = "probe"
WAIT_SECONDS = 20

os.environ["REKEY_CANARY"] = "no function may see it"

_folder = None
_stages = {}


def folder():
    """One for the whole run; with the probe's binary for each function of the template in build/."""
    global _folder
    if _folder is None:
        _folder = tempfile.TemporaryDirectory(prefix="rekey-local-")
        unittest.addModuleCleanup(close)
        binary = os.path.join(_folder.name, "probe")
        subprocess.run(["go", "build", "-tags", "lambda.norpc", "-o", binary, "./infra/local/tests/probe"],
                       cwd=HERE.parents[2], env={**os.environ, "CGO_ENABLED": "0"}, check=True)
        for name in functions(template()):
            target = pathlib.Path(_folder.name, "build", name)
            target.mkdir(parents=True)
            os.link(binary, target / "bootstrap")
    return pathlib.Path(_folder.name)


def close():
    global _folder
    for stage in _stages.values():
        stage.emulator.process.terminate()  # all at once, each takes a second or two
    for stage in _stages.values():
        stage.emulator.stop()
    _stages.clear()
    _folder.cleanup()
    _folder = None


def template():
    return read_template(HERE / "template.yaml")


def stage(without="", name=None):
    """The stage without these fixes; a name makes it one of its own."""
    name = name or f"without-{without or 'nothing'}"
    if name not in _stages:
        _stages[name] = Stage(folder() / name, without)
    return _stages[name]


def eventually(check):
    """The first true result of check()."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        result = check()
        if result:
            return result
        time.sleep(0.05)
    raise AssertionError(f"did not happen within {WAIT_SECONDS} s")


class Stage:
    def __init__(self, place, without):
        self.emulator = emulator.Emulator(place)
        self.without = without
        self.port = emulator.free_port()
        self.start()
        self.deploy(template())

    def start(self):
        self.emulator.start(self.port, without=self.without, stop_with_parent=True)

    def deploy(self, changed):
        self.names = deploy(self.emulator.endpoint, changed, NAME, folder() / "build")

    def client(self, service):
        return client(self.emulator.endpoint, service)

    def get(self, path, headers=(), api=None):
        """Status, headers and text of GET path; headers are pairs, sent as they are spelled."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest("GET", f"/_aws/execute-api/{api or self.names['Api']}/v1{path}")
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()

    def seen_by_handler(self, path, headers=()):
        status, answered, text = self.get(path, headers)
        if status != 200:
            raise AssertionError(f"{status} {text}")
        return json.loads(text), answered

    def put_record(self, key):
        self.client("dynamodb").put_item(TableName=self.names["Table"], Item={
            "pk": {"S": "p"}, "sk": {"S": key}, "type": {"S": "event"}})

    def records_consumed(self):
        """The sort keys that the consumer was given, in order, each as often as it was given."""
        try:
            events = self.client("logs").filter_log_events(
                logGroupName=f"/aws/lambda/{self.names['ConsumerFunction']}", filterPattern="record")["events"]
        except self.client("logs").exceptions.ResourceNotFoundException:
            return []
        return [event["message"].split()[1] for event in events if event["message"].startswith("record ")]

    def failures(self):
        """What arrived on the queue for failed batches; a second call shows only what came since."""
        answer = self.client("sqs").receive_message(QueueUrl=self.names["Failures"], MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]
