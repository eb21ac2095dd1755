"""Each fix to the emulator: AWS's behaviour with it, and another one without it, so that it goes when it can."""

import json
import socket
import subprocess
import sys
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from fixes import streams
from tests.stage import HERE, eventually, stage, template


def setUpModule():
    stage()


def fixed():
    return stage()


def bare():
    return stage("all")


class Transport(unittest.TestCase):
    def shortest(self, place):
        """Seconds of the fastest of 15 silent invocations of a warm function."""
        place.get("/open")
        durations = []
        for _ in range(15):
            start = time.perf_counter()
            self.assertEqual(200, place.get("/open")[0])
            durations.append(time.perf_counter() - start)
        return min(durations)

    def test_no_delay_saves_the_wait_for_an_acknowledgement(self):
        self.assertGreater(self.shortest(stage("no_delay")), 2 * self.shortest(fixed()))

    def test_short_log_wait_saves_the_wait_for_a_first_line(self):
        self.assertGreater(self.shortest(bare()), 1.5 * self.shortest(stage("no_delay")))

    def first_segments(self, place):
        """What the first read of each of 30 answers holds."""
        segments = []
        for _ in range(30):
            with socket.create_connection(("127.0.0.1", place.port)) as connection:
                connection.sendall(b"GET /_ministack/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                segments.append(connection.recv(65536))
        return segments

    def test_one_write_sends_headers_and_body_together(self):
        self.assertTrue(all(not segment.endswith(b"\r\n\r\n") for segment in self.first_segments(fixed())))
        self.assertTrue(any(segment.endswith(b"\r\n\r\n") for segment in self.first_segments(bare())))


class Functions(unittest.TestCase):
    def processes(self, place):
        with ThreadPoolExecutor(12) as pool:
            answers = pool.map(lambda _: place.seen_by_handler("/open?sleep=500ms")[0]["process"], range(12))
        return len(set(answers))

    def test_bounded_processes_makes_the_ninth_request_wait(self):
        self.assertLessEqual(self.processes(fixed()), 8)
        self.assertGreater(self.processes(bare()), 8)


class Events(unittest.TestCase):
    HEADERS = (("X-Forwarded-For", "203.0.113.9"), ("X-Api-Key", "one"), ("x-api-key", "two"))

    def test_true_events_show_what_the_client_sent(self):
        seen, answered = fixed().seen_by_handler("/guarded", self.HEADERS)
        handler = seen["event"]
        authorizer = json.loads(handler["requestContext"]["authorizer"]["event"])
        for event in (authorizer, handler):
            self.assertEqual(["one", "two"], event["multiValueHeaders"]["X-Api-Key"])
            self.assertEqual("two", event["headers"]["X-Api-Key"])
            self.assertEqual("127.0.0.1", event["requestContext"]["identity"]["sourceIp"])
            self.assertEqual(answered["x-amzn-requestid"], event["requestContext"]["requestId"])

    def test_without_true_events_headers_are_joined_and_sources_made_up(self):
        seen, answered = bare().seen_by_handler("/guarded", self.HEADERS)
        event = seen["event"]
        self.assertEqual(["one, two"], event["multiValueHeaders"]["x-api-key"])
        self.assertEqual("203.0.113.9", event["requestContext"]["identity"]["sourceIp"])
        self.assertNotEqual(answered["x-amzn-requestid"], event["requestContext"]["requestId"])

    def test_stage_variables_reach_authorizer_and_handler(self):
        event = fixed().seen_by_handler("/guarded")[0]["event"]
        self.assertEqual({"rekey_api": "self"}, event["stageVariables"])
        authorizer = json.loads(event["requestContext"]["authorizer"]["event"])
        self.assertEqual({"rekey_api": "self"}, authorizer["stageVariables"])

    def test_any_account_finds_the_api_whatever_a_signature_names(self):
        signature = ("Authorization", "AWS4-HMAC-SHA256 Credential=123456789012/20260101/us-east-1/execute-api/"
                                      "aws4_request, SignedHeaders=host, Signature=00")
        self.assertEqual(200, fixed().get("/open", [signature])[0])
        self.assertEqual(404, bare().get("/open", [signature])[0])


class GatewayResponses(unittest.TestCase):
    def test_from_the_template_come_the_bodies(self):
        denied = ("X-Probe", "deny")
        status, _, body = fixed().get("/guarded", [denied])
        self.assertEqual((403, {"code": "missing_scope", "detail": "needs keys:issue"}), (status, json.loads(body)))
        status, _, body = bare().get("/guarded", [denied])
        self.assertEqual(403, status)
        self.assertNotIn("missing_scope", body)

    def test_failed_handlers_show_nothing_of_their_error(self):
        status, _, body = fixed().get("/open?fail=1")
        self.assertEqual((502, {"code": "internal"}), (status, json.loads(body)))
        self.assertIn("secret detail", bare().get("/open?fail=1")[2])

    def throttled(self, place):
        functions, name = place.client("lambda"), place.names["HandlerFunction"]
        functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        try:
            return place.get("/open")
        finally:
            functions.delete_function_concurrency(FunctionName=name)

    def test_failed_handlers_that_are_throttled_answer_500(self):
        status, _, body = self.throttled(fixed())
        self.assertEqual((500, {"code": "internal"}), (status, json.loads(body)))
        self.assertEqual(429, self.throttled(bare())[0])


class Resources(unittest.TestCase):
    def change_api(self, place):
        """The API's ID before and after a route was added."""
        before, changed = place.names["Api"], template()
        routes = changed["Resources"]["HandlerFunction"]["Properties"]["Events"]
        routes["Added"] = {"Type": "Api", "Properties": {**routes["Open"]["Properties"], "Path": "/added"}}
        place.deploy(changed)
        return before, place.names["Api"]

    def test_stable_api_id_keeps_urls_when_routes_change(self):
        before, after = self.change_api(fixed())
        self.assertEqual(before, after)
        self.assertEqual(200, fixed().get("/added")[0])
        self.assertEqual(403, fixed().get("/guarded", [("X-Probe", "deny")])[0])
        before, after = self.change_api(bare())
        self.assertNotEqual(before, after)

    def test_route_throttles_of_the_template_are_in_force(self):
        self.assertIn(429, [fixed().get("/things/1")[0] for _ in range(5)])
        self.assertEqual([200] * 5, [bare().get("/things/1")[0] for _ in range(5)])

    def pepper(self, place):
        secret = place.client("secretsmanager").get_secret_value(SecretId=place.names["Secret"])
        return json.loads(secret["SecretString"])

    def test_generated_secrets_are_made_as_the_template_says(self):
        secret = self.pepper(fixed())
        self.assertEqual("v1", secret["current"])
        self.assertRegex(secret["v1"], "^[0-9A-Za-z]{43}$")
        self.assertNotRegex(self.pepper(bare())["v1"], "^[0-9A-Za-z]{43}$")


class Rotations(unittest.TestCase):
    STEPS = ["createSecret", "setSecret", "testSecret", "finishSecret"]

    def rotate(self, place, name):
        """Begins a rotation of a new secret; its versions' labels, and a function that tells the steps so far."""
        manager = place.client("secretsmanager")
        arn = manager.create_secret(Name=name, SecretString="one")["ARN"]
        function = place.names["RotatorFunction"]
        function_arn = place.client("lambda").get_function(FunctionName=function)["Configuration"]["FunctionArn"]
        version = manager.rotate_secret(SecretId=arn, RotationLambdaARN=function_arn)["VersionId"]

        def steps():
            try:
                found = place.client("logs").filter_log_events(
                    logGroupName=f"/aws/lambda/{function}", filterPattern="step")
            except place.client("logs").exceptions.ResourceNotFoundException:
                return []
            lines = [event["message"].split() for event in found["events"]]
            return [line[3] for line in lines if line[:3] == ["step", arn, version]]
        return manager, arn, version, steps

    def test_four_steps_are_invoked_and_the_function_moves_the_labels(self):
        manager, arn, version, steps = self.rotate(fixed(), "whole")
        eventually(lambda: steps() == self.STEPS)
        labels = manager.describe_secret(SecretId=arn)["VersionIdsToStages"]
        self.assertEqual(["AWSPENDING"], labels.pop(version))
        self.assertEqual([["AWSCURRENT"]], list(labels.values()))
        self.assertNotIn("SecretString", manager.get_secret_value(SecretId=arn, VersionId=version))
        with self.assertRaises(manager.exceptions.InvalidRequestException):
            manager.rotate_secret(SecretId=arn)
        manager.rotate_secret(SecretId=arn, ClientRequestToken=version)
        eventually(lambda: sorted(steps()) == sorted(2 * self.STEPS))

    def test_four_steps_end_with_the_one_that_fails(self):
        _, _, _, steps = self.rotate(fixed(), "broken")
        eventually(lambda: steps() == self.STEPS[:3])

    def test_without_four_steps_nothing_is_invoked(self):
        manager, arn, version, steps = self.rotate(bare(), "whole")
        self.assertEqual(["AWSCURRENT"], manager.describe_secret(SecretId=arn)["VersionIdsToStages"][version])
        self.assertEqual([], steps())


class Streams(unittest.TestCase):
    def test_failed_batches_are_given_up_after_their_attempts(self):
        place = fixed()
        for number, key in enumerate(("reported", "poison")):
            place.put_record(key)
            failure = eventually(place.failures)[0]
            self.assertEqual("RetryAttemptsExhausted", failure["requestContext"]["condition"])
            self.assertEqual([key] * 2, place.records_consumed()[2 * number:])
        place.put_record("good")
        eventually(lambda: "good" in place.records_consumed())

    def test_without_failed_batches_a_poison_record_is_tried_for_ever(self):
        place = bare()
        place.put_record("reported")
        place.put_record("poison")
        eventually(lambda: place.records_consumed().count("poison") > 2)
        self.assertEqual(1, place.records_consumed().count("reported"))
        self.assertEqual([], place.failures())

    def test_failed_batches_are_halved_until_the_poison_record_is_alone(self):
        batch = [{"dynamodb": {"SequenceNumber": str(number)}} for number in range(5)]
        delivered, given_up = [], []

        def invoke(records):
            if batch[3] in records:
                return {"error": True}
            delivered.extend(records)
            return {"body": None}

        streams._deliver(invoke, batch, {"MaximumRetryAttempts": 0, "BisectBatchOnFunctionError": True},
                         lambda records, _: given_up.extend(records))
        self.assertEqual(batch[:3] + batch[4:], delivered)
        self.assertEqual([batch[3]], given_up)

    def consumed_after_restart(self, place):
        """Puts three records, restarts, puts four more; returns what was consumed when the last one was."""
        for key in ("a", "b", "c"):
            place.put_record(key)
        eventually(lambda: len(place.records_consumed()) == 3)
        place.emulator.stop()
        place.start()
        for key in ("d", "e", "f", "g"):
            place.put_record(key)
        eventually(lambda: "g" in place.records_consumed())
        return place.records_consumed()

    def test_kept_records_survive_a_restart(self):
        self.assertEqual(list("abcdefg"), self.consumed_after_restart(stage(name="restarted")))
        self.assertEqual(list("abcg"), self.consumed_after_restart(stage("all", name="restarted-bare")))


class Logs(unittest.TestCase):
    def page_through(self, place):
        """How many of 10,050 events a reader gets who follows nextToken, 10,000 at a time."""
        logs, group = place.client("logs"), {"logGroupName": "many"}
        logs.create_log_group(**group)
        logs.create_log_stream(**group, logStreamName="one")
        now = int(time.time() * 1000)
        for part in (10_000, 50):
            logs.put_log_events(**group, logStreamName="one", logEvents=[
                {"timestamp": now, "message": "x"} for _ in range(part)])
        return sum(len(page["events"]) for page in logs.get_paginator("filter_log_events").paginate(**group))

    def test_paged_logs_show_all_events(self):
        self.assertEqual(10_050, self.page_through(fixed()))
        self.assertEqual(10_000, self.page_through(bare()))

    def describe_while_written(self, fix):
        return subprocess.run([sys.executable, "-c", DESCRIBE_WHILE_WRITTEN, fix], cwd=HERE.parent,
                              capture_output=True, text=True)

    def test_described_while_written_lists_groups_while_functions_write(self):
        self.assertEqual("200\n", self.describe_while_written("described_while_written").stdout)
        self.assertIn("changed size during iteration", self.describe_while_written("").stderr)


# A log group that gets another stream whenever its events are looked at.
DESCRIBE_WHILE_WRITTEN = """
import sys
from fixes import FIXES
from ministack.services import cloudwatch_logs as logs

class Written(list):
    def __iter__(self):
        streams[len(streams)] = {"events": []}
        return super().__iter__()

if sys.argv[1]:
    FIXES[sys.argv[1]]()
streams = {0: {"events": Written()}}
logs._log_groups["written"] = {"arn": "a", "creationTime": 0, "streams": streams}
print(logs._describe_log_groups({})[0])
"""


if __name__ == "__main__":
    unittest.main()
