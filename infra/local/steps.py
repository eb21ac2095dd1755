"""Runs make targets one after the other, each under a heading and with its duration; stops at the first that fails.

    steps.py TARGET...
"""

import subprocess
import sys
import time


def main(targets):
    begin, durations = time.monotonic(), []
    for target in targets:
        print(f"\n=== {target}", flush=True)
        start = time.monotonic()
        status = subprocess.run(["make", "--no-print-directory", target]).returncode
        durations.append((target, time.monotonic() - start))
        print(f"=== {target}: {'ok' if status == 0 else 'FAILED'}, {durations[-1][1]:.0f} s", flush=True)
        if status:
            return status
    print(f"\n=== all: ok, {time.monotonic() - begin:.0f} s ("
          + ", ".join(f"{target} {seconds:.0f}" for target, seconds in durations) + ")")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
