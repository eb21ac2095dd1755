"""The emulator's life: ports, state, environment, and what happens when its parent goes."""

import json
import os
import socket
import subprocess
import sys
import unittest

import emulator
from logs import readable
from tests.stage import HERE, eventually, folder, stage, template

PARENT = """
import sys, time, emulator
emulator.Emulator(sys.argv[1]).start(emulator.free_port(), stop_with_parent=True)
print("started", flush=True)
time.sleep(60)
"""


class Life(unittest.TestCase):
    def test_a_taken_port_is_one_line_that_names_the_way_out(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
            with self.assertRaisesRegex(emulator.Failure, rf"^port {port} is taken; .*PORT=\d+$"):
                emulator.Emulator(folder() / "taken").start(port)

    def test_a_process_that_inherited_the_id_is_not_the_emulator(self):
        other = emulator.Emulator(folder() / "inherited")
        other.folder.mkdir()
        other.note.write_text(json.dumps({"pid": os.getpid(), "port": 1}))
        self.assertIsNone(other.running())
        self.assertFalse(other.stop())

    def test_tables_secrets_and_urls_outlive_a_restart_on_another_port(self):
        place = stage(name="kept")
        place.put_record("kept")
        secret = place.client("secretsmanager").get_secret_value(SecretId=place.names["Secret"])["SecretString"]
        place.get("/open")
        place.emulator.stop()
        place.port = emulator.free_port()
        place.start()
        self.assertEqual(1, place.client("dynamodb").scan(TableName=place.names["Table"])["Count"])
        self.assertEqual(secret, place.client("secretsmanager").get_secret_value(
            SecretId=place.names["Secret"])["SecretString"])
        self.assertEqual(200, place.get("/open")[0])
        place.deploy(template())
        self.assertEqual([], place.failures())

    def test_functions_see_nothing_of_the_callers_environment(self):
        environment = stage().seen_by_handler("/open")[0]["environment"]
        variables = dict(entry.split("=", 1) for entry in environment)
        self.assertNotIn("REKEY_CANARY", variables)
        self.assertNotIn("HOME", variables)
        self.assertEqual("handler", variables["ROLE"])
        self.assertEqual(stage().emulator.endpoint, variables["AWS_ENDPOINT_URL"])

    def test_it_goes_with_its_parent_even_when_that_is_killed(self):
        orphan = emulator.Emulator(folder() / "orphan")
        parent = subprocess.Popen([sys.executable, "-c", PARENT, str(orphan.folder)], cwd=HERE.parent,
                                  stdout=subprocess.PIPE)
        self.assertEqual(b"started\n", parent.stdout.readline())
        self.assertIsNotNone(orphan.running())
        parent.kill()
        parent.communicate()
        eventually(lambda: not orphan.running())


class Readable(unittest.TestCase):
    def test_json_lines_become_a_level_a_message_and_pairs(self):
        line = readable(0, "keys", '{"time":"x","level":"INFO","msg":"issued","status":201,"key":"key_1","ms":1.5}')
        self.assertRegex(line, r"^\d\d:\d\d:\d\d\.000 keys +INFO issued 201 key=key_1 ms=1\.5$")

    def test_embedded_metrics_become_their_values(self):
        self.assertRegex(readable(0, "keys", '{"_aws":{"Timestamp":1},"Locks":1}'), "keys +METRIC Locks=1$")

    def test_other_lines_stay_as_they_are(self):
        self.assertTrue(readable(0, "keys", "panic: [1]\n").endswith(" panic: [1]"))


if __name__ == "__main__":
    unittest.main()
