"""The fixes to MiniStack, by name and in the order in which they are applied.

Each is a function whose comment says what AWS does and what the emulator does without the fix; tests/ holds one
test for each that fails when it is no longer needed and when it no longer works. They replace private functions of
one pinned version: a name that is gone fails at the start.
"""

from fixes import events, functions, gateway_responses, log_reading, resources, rotations, streams, transport

FIXES = {fix.__name__: fix for fix in (
    transport.no_delay,
    transport.one_write,
    functions.short_log_wait,
    functions.bounded_processes,
    events.true_events,
    events.any_account,
    gateway_responses.from_the_template,
    gateway_responses.failed_handlers,
    resources.stable_api_id,
    resources.route_throttles,
    resources.generated_secrets,
    rotations.four_steps,
    streams.failed_batches,
    streams.kept_records,
    log_reading.paged_logs,
    log_reading.described_while_written,
)}
