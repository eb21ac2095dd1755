"""Runs the AWS emulator MiniStack with the fixes that rekey's template needs.

    launcher.py [--note FILE] [--without NAME[,NAME...] | --without all] [--stop-with-parent]

The fixes are applied in this process; no file of MiniStack is changed. `--without` leaves some out, which is how
the tests show that each is still needed. With `--stop-with-parent` standard input is a pipe from the parent, and
its end stops the emulator. `--note` only marks the process as the one that FILE speaks of. Everything else is set
by the environment: see emulator.py.
"""

import argparse
import os
import signal
import sys
import threading
from importlib.metadata import version

PINNED = "1.5.33"


def stop_at_end_of_input():
    def wait():
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)
    threading.Thread(target=wait, daemon=True).start()


def main():
    if version("ministack") != PINNED:
        sys.exit(f"the fixes are written for ministack {PINNED}, found {version('ministack')}")
    from fixes import FIXES

    options = argparse.ArgumentParser()
    options.add_argument("--note")
    options.add_argument("--without", default="")
    options.add_argument("--stop-with-parent", action="store_true")
    options = options.parse_args()
    left_out = set(FIXES) if options.without == "all" else set(filter(None, options.without.split(",")))
    if left_out - set(FIXES):
        sys.exit(f"no such fix: {', '.join(sorted(left_out - set(FIXES)))}; there are {', '.join(FIXES)}")
    if options.stop_with_parent:
        stop_at_end_of_input()
    for name, fix in FIXES.items():
        if name not in left_out:
            fix()

    sys.argv[1:] = []
    from ministack import app
    app.main()


if __name__ == "__main__":
    main()
