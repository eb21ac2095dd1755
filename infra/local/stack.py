"""The local stack, from the command line (the Makefile's run, stop, clean, logs, test and bench).

    stack.py [--folder DIR] up [--port N] [--example]
                                               build, start or keep running, deploy (also the example),
                                               say what to do next
    stack.py [--folder DIR] down               stop, keep the state
    stack.py [--folder DIR] clean              stop, forget the state
    stack.py [--folder DIR] logs [FUNCTION]    follow the functions' logs
    stack.py [--folder DIR] with [--example] -- COMMAND
                                               run COMMAND with REKEY_STACK on a fresh stack, which is stopped after it
    stack.py [--folder DIR] emulator -- COMMAND  likewise on the emulator alone, with REKEY_DYNAMODB_ENDPOINT
"""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

from build import ROOT, build
from deploy import client, deploy, functions, read_template
from emulator import REGION, Emulator, Failure, free_port
from logs import Logs

NAME = "rekey"
EXAMPLE, EXAMPLE_STAGE = "recordings", "prod"  # a stack of its own, see infra/examples/protected-api
STAGE = "v1"
DEFAULT_PORT = 4566
HEALTH_SECONDS = 30
# The address that mail comes from; SES of the emulator holds it for verified.
SENDER = "rekey@example.org"
# Fast tests must not meet the production throttles.
PARAMETERS = {
    "MailSender": SENDER,
    "ThrottleRate": 10000, "ThrottleBurst": 5000,
    "PublicThrottleRate": 10000, "PublicThrottleBurst": 5000,
}


class Stack:
    def __init__(self, folder):
        self.emulator = Emulator(folder)
        self.folder = self.emulator.folder
        self.file = self.folder / "stack.json"

    def up(self, port=None, stop_with_parent=False, example=False):
        """Builds, starts or keeps running, deploys, checks that it answers; returns what stack.json holds.

        Port 0 is any free one.
        """
        running = self.emulator.running()
        if running and port and port != running["port"]:
            raise Failure(f"this stack already runs on port {running['port']}; `make stop` first")
        template = read_template(ROOT / "template.yaml")
        guarded = read_template(ROOT / "infra" / "examples" / "protected-api" / "template.yaml")
        build(functions(template) + (functions(guarded) if example else []), self.folder / "build")
        if not running:
            chosen = free_port() if port == 0 else port or DEFAULT_PORT
            self.emulator.start(chosen, stop_with_parent=stop_with_parent)
        client(self.emulator.endpoint, "ses").verify_email_identity(EmailAddress=SENDER)
        names = deploy(self.emulator.endpoint, template, NAME, self.folder / "build", {**PARAMETERS, **self._sign_in()})
        description = self._describe(names)
        if example:
            self._deploy_example(guarded, names, description)
        self._check_health(description["api_url"])
        return description

    def _sign_in(self):
        """Browsers bind passkeys to a domain, and take localhost for a safe one without TLS."""
        port = self.emulator.running()["port"]
        origins = [f"http://localhost:{port}", f"http://127.0.0.1:{port}", "http://localhost", "https://localhost"]
        return {"SignInDomain": "localhost", "SignInOrigins": ",".join(origins)}

    def _deploy_example(self, template, names, description):
        """Deploys the API that rekey is to guard, and adds to stack.json where it is."""
        function = client(self.emulator.endpoint, "lambda").get_function(FunctionName=names["AuthorizerFunction"])
        arn = function["Configuration"]["FunctionArn"]
        api = deploy(self.emulator.endpoint, template, EXAMPLE, self.folder / "build", {"AuthorizerArn": arn})["Api"]
        url = f"{self.emulator.endpoint}/_aws/execute-api/{api}/{EXAMPLE_STAGE}"
        description["example"] = {"api_id": api, "stage": EXAMPLE_STAGE, "url": url}
        self.file.write_text(json.dumps(description, indent=2) + "\n")

    def _describe(self, names):
        endpoint = self.emulator.endpoint
        api = next(name for logical, name in names.items() if logical == "Api")
        setup = client(endpoint, "secretsmanager").get_secret_value(SecretId=names["SetupSecret"])
        description = {
            "api_url": f"{endpoint}/_aws/execute-api/{api}/{STAGE}",
            "portal_url": None,
            "sign_in": {"rp_id": self._sign_in()["SignInDomain"],
                        "origin": self._sign_in()["SignInOrigins"].split(",")[0]},
            "aws_endpoint_url": endpoint,
            "region": REGION,
            "setup_code": setup["SecretString"],
            "pid": self.emulator.running()["pid"],
            "tables": {table: names[f"{table}Table"] for table in ("Identity", "Directory", "Audit", "Transient")},
            "bus": names["Bus"],
            "queues": {"dead_letter": names["DeadLetterQueue"].rsplit("/", 1)[-1]},  # its Ref is its URL
            "mail": {"sender": SENDER, "inbox_url": f"{endpoint}/_ministack/ses/messages"},
            "secrets": {secret.lower(): names[f"{secret}Secret"]
                        for secret in ("Peppers", "Derivation", "Cursor", "Setup")},
        }
        self.file.touch(mode=0o600)
        self.file.write_text(json.dumps(description, indent=2) + "\n")
        return description

    def _check_health(self, api_url):
        end, answer = time.monotonic() + HEALTH_SECONDS, None
        while time.monotonic() < end:
            status, answer = request(f"{api_url}/health")
            if status == 200:
                return
            time.sleep(0.2)
        lines = Logs(self.emulator.endpoint, NAME).new(["health"], 0)[-25:]
        raise Failure(f"GET {api_url}/health answers {status}: {answer}\nthe function's log:\n" + "\n".join(lines))

    def down(self):
        self.file.unlink(missing_ok=True)
        return self.emulator.stop()

    def forget(self):
        self.down()
        self.emulator.forget()

    def logs(self):
        if not self.emulator.running():
            raise Failure("the stack is not running; start it with `make run`")
        return Logs(self.emulator.endpoint, NAME)


def request(url, body=None):
    """Status and text of a GET, or of a POST of the body as JSON."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(
                url, data, {"Content-Type": "application/json"}), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def first_owner(code):
    """The body of POST /setup with a made-up owner."""
    return {"code": code, "msp": {"name": "Example MSP"},
            "owner": {"email": "owner@example.com", "first_name": "Ada", "last_name": "Example"}}


def introduce(stack):
    """What `make run` ends with."""
    api_url = stack["api_url"]
    print(f"rekey runs at {api_url} (all addresses and names: .local/stack.json)")
    if "example" in stack:
        print(f"The example of an API that it guards: {stack['example']['url']} (infra/examples/protected-api)")
    # Whatever the code, 409 says that the owner exists; a wrong code counts nowhere.
    if request(f"{api_url}/setup", first_owner("0" * 43))[0] == 409:
        print("It is set up already: the owner's token is the one that set-up showed. `make clean` forgets everything.")
        return
    print(f"Set-up code: {stack['setup_code']}")
    print("Create the owner; the answer shows the first token, once:\n")
    print(f"curl -sS -X POST {api_url}/setup -H 'Content-Type: application/json' \\\n"
          f"  -d '{json.dumps(first_owner(stack['setup_code']))}'\n")


def run_with(stack, command, emulator_only, example=False):
    """Runs the command on a fresh stack; returns its exit status. The stack is stopped whatever happens."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    stack.forget()
    status = None
    try:
        if emulator_only:
            stack.emulator.start(free_port(), stop_with_parent=True)
            found_by = {"REKEY_DYNAMODB_KIND": "ministack", "REKEY_DYNAMODB_ENDPOINT": stack.emulator.endpoint}
        else:
            stack.up(0, stop_with_parent=True, example=example)
            found_by = {"REKEY_STACK": str(stack.file)}
        status = subprocess.run(command, env={**os.environ, **found_by}).returncode
    finally:
        if status != 0 and stack.emulator.running():
            show_logs(stack)
        stack.down()
    return status


def show_logs(stack):
    print(f"--- the end of {stack.emulator.log}\n{stack.emulator.tail()}", file=sys.stderr)
    try:
        lines = stack.logs().worst(40)
    except Exception as error:  # it is shown beside a failure, and must not hide that
        lines = [f"no function logs: {error}"]
    print("--- the functions' last log lines", *lines, sep="\n", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description="The local stack.")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / ".local")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up")
    up.add_argument("--port", type=int)
    up.add_argument("--example", action="store_true")
    commands.add_parser("down")
    commands.add_parser("clean")
    commands.add_parser("logs").add_argument("function", nargs="?")
    for name in ("with", "emulator"):
        runs = commands.add_parser(name)
        runs.add_argument("--example", action="store_true")
        runs.add_argument("argv", nargs="+")
    options = parser.parse_args()

    stack = Stack(options.folder)
    if options.command == "logs":
        return follow(stack.logs(), options.function)
    stack.emulator.lock()
    if options.command == "up":
        introduce(stack.up(options.port, example=options.example))
    elif options.command == "down":
        print("stopped; its state is kept" if stack.down() else "was not running")
    elif options.command == "clean":
        stack.forget()
        print("stopped; its state is forgotten")
    else:
        return run_with(stack, options.argv, options.command == "emulator", options.example)


def follow(logs, function):
    if function and function not in logs.names():
        raise Failure(f"no function {function}; there are {', '.join(logs.names())}")
    with contextlib.suppress(KeyboardInterrupt):
        logs.follow([function] if function else logs.names())


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f"error: {failure}")
