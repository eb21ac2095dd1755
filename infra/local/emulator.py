"""One emulator process: its folder, its environment, its start and its orderly stop.

A folder (`.local` for `make run`, `.local/test` for `make test`) holds all of it: state/, tmp/, emulator.log and
emulator.json with the process's ID and port.
"""

import fcntl
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

REGION = "us-east-1"
LAUNCHER = pathlib.Path(__file__).with_name("launcher.py")
START_SECONDS = 60
STOP_SECONDS = 30

# The only account that this process, the emulator, the functions and the tests know; never the caller's own.
ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ.update(ACCOUNT, NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")


class Failure(Exception):
    """What the user is told instead of a stack trace."""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def port_is_free(port):
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def command_line(pid):
    """The command line of a living process, or nothing."""
    if os.path.exists("/proc/self/cmdline"):
        try:
            return pathlib.Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
        except OSError:
            return ""
    return subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True).stdout


class Emulator:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        self.log = self.folder / "emulator.log"
        self.note = self.folder / "emulator.json"
        self.process = None

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.running()['port']}"

    def lock(self):
        """Held until this process ends: two commands on one folder wait for each other."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = open(self.folder / "lock", "w")  # noqa: SIM115
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def running(self):
        """{"pid", "port"} of this folder's emulator, or None. A process that only inherited the ID is not it."""
        try:
            note = json.loads(self.note.read_text())
        except FileNotFoundError:
            return None
        return note if str(self.note) in command_line(note["pid"]) else None

    def start(self, port, without="", stop_with_parent=False):
        """Starts the emulator on 127.0.0.1:port and returns when it answers."""
        if not port_is_free(port):
            raise Failure(f"port {port} is taken; choose another one: make run PORT={port + 1}")
        for name in ("state", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(LAUNCHER), "--note", str(self.note), "--without", without]
        if stop_with_parent:
            command.append("--stop-with-parent")
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                command, env=self._environment(port), stdout=log, stderr=log, start_new_session=True,
                stdin=subprocess.PIPE if stop_with_parent else subprocess.DEVNULL)
        self.note.write_text(json.dumps({"pid": self.process.pid, "port": port}))
        self._wait_until_it_answers(port)

    def _environment(self, port):
        """All of it: every function inherits the emulator's environment, so nothing of the caller's gets in."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(self.folder / "tmp"),
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            **ACCOUNT,
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "LOG_LEVEL": "WARNING",
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LAMBDA_EXECUTOR": "local",
            "PERSIST_STATE": "1",
            "S3_PERSIST": "1",
            "STATE_DIR": str(self.folder / "state"),
            "S3_DATA_DIR": str(self.folder / "state" / "s3"),
        }

    def _wait_until_it_answers(self, port):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_ministack/health", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise Failure(f"the emulator did not start; the end of {self.log}:\n{self.tail()}")

    def stop(self):
        """Stops it in order, so that it writes its state; True if it was running."""
        running = self.running()
        if running:
            os.kill(running["pid"], signal.SIGTERM)
            self._wait_until_gone(running["pid"])
        if self.process is not None:
            self.process.wait(STOP_SECONDS)
            if self.process.stdin:
                self.process.stdin.close()
        self.note.unlink(missing_ok=True)
        return bool(running)

    def _wait_until_gone(self, pid):
        end = time.monotonic() + STOP_SECONDS
        while time.monotonic() < end:
            if self.process is not None and self.process.pid == pid:
                if self.process.poll() is not None:
                    return
            elif not self.running():
                return
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        raise Failure(f"the emulator (PID {pid}) did not stop in {STOP_SECONDS} s and was killed; "
                      "its state is that of the last orderly stop")

    def forget(self):
        """Removes its state."""
        for name in ("state", "tmp"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        self.log.unlink(missing_ok=True)

    def tail(self, lines=25):
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""
