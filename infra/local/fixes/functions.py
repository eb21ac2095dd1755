"""Fixes to how the emulator runs functions."""

import threading

PROCESSES_PER_FUNCTION = 8


def short_log_wait():
    """AWS: logs are collected beside the answer.
    MiniStack: an answer waits up to 50 ms for the function's first log line. Here 2 ms."""
    from ministack.core.lambda_runtime import Worker

    if Worker._drain_stderr_bounded.__defaults__ != (0.050, 0.005, 0.250):
        raise AttributeError("ministack's _drain_stderr_bounded has other arguments now")
    Worker._drain_stderr_bounded.__defaults__ = (0.002, 0.001, 0.250)


def bounded_processes():
    """AWS: every parallel request has an environment of its own, on AWS's machines.
    MiniStack: likewise, on this machine: 64 callers make over a hundred processes. Its one setting against that
    refuses requests. Here a function's ninth parallel invocation waits; no function of rekey invokes itself."""
    from ministack.services import lambda_svc

    from fixes.patch import wrap

    gates, held = {}, threading.local()

    def gated(execute):
        def run(function, *args):
            arn = (function.get("config") or function).get("FunctionArn")
            if getattr(held, "arn", None) == arn:  # the emulator enters twice for a function of another account
                return execute(function, *args)
            with gates.setdefault(arn, threading.BoundedSemaphore(PROCESSES_PER_FUNCTION)):
                held.arn = arn
                try:
                    return execute(function, *args)
                finally:
                    held.arn = None
        return run
    wrap(lambda_svc, "_execute_function", gated)
