"""Builds the functions of the template for this machine, with the make targets that `sam build` uses."""

import json
import os
import pathlib
import subprocess
from concurrent.futures import ThreadPoolExecutor

from emulator import Failure

ROOT = pathlib.Path(__file__).resolve().parents[2]


def build(names, folder):
    """Builds each function F into folder/F/bootstrap, as many at a time as there are processors."""
    host = json.loads(subprocess.check_output(["go", "env", "-json", "GOHOSTOS", "GOHOSTARCH"], cwd=ROOT))
    of_outer_make = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    environment = {name: value for name, value in os.environ.items() if name not in of_outer_make}

    def one(name):
        target = pathlib.Path(folder) / name
        target.mkdir(parents=True, exist_ok=True)
        return subprocess.run(
            ["make", "--no-print-directory", f"build-{name}", f"ARTIFACTS_DIR={target}",
             f"GOOS={host['GOHOSTOS']}", f"GOARCH={host['GOHOSTARCH']}"],
            cwd=ROOT, env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(one, names))
    failed = [f"{name}:\n{result.stdout.strip()}"
              for name, result in zip(names, results, strict=True) if result.returncode]
    if failed:
        raise Failure("these functions do not build\n" + "\n".join(failed))
