"""Runs a command with a DynamoDB endpoint that tells the true capacity units: dynoxide, in memory, on loopback.

    dynoxide.py BINARY -- COMMAND

The command finds it by REKEY_DYNAMODB_ENDPOINT and REKEY_DYNAMODB_KIND=dynoxide. It is stopped whatever happens.
"""

import os
import signal
import socket
import subprocess
import sys
import time

from emulator import Failure, free_port

START_SECONDS = 10


def answers(port):
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def main(binary, command):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    port = free_port()
    server = subprocess.Popen([binary, "--host", "127.0.0.1", "--port", str(port), "--log", "quiet"],
                              stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        end = time.monotonic() + START_SECONDS
        while not answers(port):
            if server.poll() is not None or time.monotonic() > end:
                raise Failure("dynoxide did not start")
            time.sleep(0.02)
        return subprocess.run(command, env={**os.environ, "REKEY_DYNAMODB_KIND": "dynoxide",
                                            "REKEY_DYNAMODB_ENDPOINT": f"http://127.0.0.1:{port}"}).returncode
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[2] != "--":
        sys.exit(__doc__)
    try:
        sys.exit(main(sys.argv[1], sys.argv[3:]))
    except Failure as failure:
        sys.exit(f"error: {failure}")
