"""Reads the functions' logs from the emulator's CloudWatch Logs, and makes them readable."""

import collections
import json
import time

from botocore.exceptions import ClientError

from deploy import client

NOISE = ("START RequestId", "END RequestId", "REPORT RequestId", "INIT_START")
FIRST = ("level", "msg", "route", "status")


def short(logical_id):
    """KeyStatusFunction is keystatus, as its folder."""
    return logical_id.removesuffix("Function").lower()


class Logs:
    def __init__(self, endpoint, stack):
        self._logs = client(endpoint, "logs")
        self._groups = self._find_groups(endpoint, stack)
        self._seen = set()

    @staticmethod
    def _find_groups(endpoint, stack):
        """{folder of the function: its log group}"""
        functions, groups = client(endpoint, "lambda"), {}
        pages = client(endpoint, "cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
        for resource in (resource for page in pages for resource in page["StackResourceSummaries"]):
            if resource["ResourceType"] == "AWS::Lambda::Function":
                name = resource["PhysicalResourceId"]
                configuration = functions.get_function_configuration(FunctionName=name)
                groups[short(resource["LogicalResourceId"])] = configuration.get("LoggingConfig", {}).get(
                    "LogGroup", f"/aws/lambda/{name}")
        return groups

    def names(self):
        return sorted(self._groups)

    def new(self, functions, since):
        """The lines that were not returned before, oldest first, as text; since is in milliseconds of the epoch."""
        found = []
        for name in functions:
            repeats = collections.Counter()  # the emulator gives events no ID, and two lines can be the same
            for event in self._events(self._groups[name], since):
                line = (event["timestamp"], name, event["message"], event["logStreamName"])
                repeats[line] += 1
                if (line, repeats[line]) not in self._seen and not event["message"].startswith(NOISE):
                    found.append(line)
                self._seen.add((line, repeats[line]))
        return [readable(*line[:3]) for line in sorted(found)]

    def worst(self, count):
        """The last lines of all functions that are not routine, or simply the last ones."""
        lines = self.new(self.names(), 0)
        routine = (" INFO ", " METRIC ", '"errorMessage":"Unauthorized"')
        striking = [line for line in lines if not any(word in line for word in routine)]
        return (striking or lines)[-count:]

    def _events(self, group, since):
        try:
            pages = self._logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since)
            return [event for page in pages for event in page["events"]]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":  # never ran
                return []
            raise

    def follow(self, functions):
        """Prints the last minute and then what comes, until it is interrupted."""
        since = int((time.time() - 60) * 1000)
        while True:
            for line in self.new(functions, since):
                print(line, flush=True)
            since = max(since, int((time.time() - 10) * 1000))
            time.sleep(0.5)


def readable(timestamp, function, message):
    clock = time.strftime("%H:%M:%S", time.localtime(timestamp / 1000))
    return f"{clock}.{timestamp % 1000:03d} {function:<15} {_flat(message.strip())}"


def _flat(message):
    """A JSON line as its level and message, then name=value."""
    try:
        record = json.loads(message)
    except ValueError:
        return message
    if not isinstance(record, dict):
        return message
    record.pop("time", None)
    if record.pop("_aws", None):  # the description of an embedded metric
        record["level"] = "METRIC"
    parts = [str(record.pop(name)) for name in FIRST if name in record]
    parts += [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in record.items()]
    return " ".join(parts).replace("\n", " | ")
