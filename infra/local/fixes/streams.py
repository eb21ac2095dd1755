"""Fixes to DynamoDB Streams as a source of invocations."""

import copy
import json
import time


class _Batch(list):
    """The records of one poll, with the mapping that asked for them."""

    def __init__(self, records, mapping):
        super().__init__(records)
        self.mapping = mapping


def failed_batches():
    """AWS: a failed batch is tried again MaximumRetryAttempts times, from the first record that batchItemFailures
    names where the mapping reports them, halved where it says BisectBatchOnFunctionError (which costs no attempt);
    then it is described to the OnFailure destination and left behind.
    MiniStack: it is tried every second for ever, and batchItemFailures count as success. Mappings without
    MaximumRetryAttempts (-1) are left as they are."""
    from ministack.services import lambda_svc

    from fixes.patch import wrap

    def mark(select):
        def run(records, mapping):
            limited = int(mapping.get("MaximumRetryAttempts", -1)) >= 0
            selected = select(records, mapping)
            if limited and ":dynamodb:" in mapping.get("EventSourceArn", ""):
                return _Batch(selected, mapping)
            return selected
        return run

    def retry(execute):
        def run(function, event):
            batch = event.get("Records") if isinstance(event, dict) else None
            if not isinstance(batch, _Batch):
                return execute(function, event)
            give_up = lambda_svc._send_ddb_stream_failure_record
            _deliver(lambda records: execute(function, {"Records": records}), batch, batch.mapping,
                     lambda records, result: give_up(batch.mapping, function, records,
                                                     batch.mapping["EventSourceArn"], result, "RetryAttemptsExhausted"))
            return {"body": None}
        return run

    wrap(lambda_svc, "_apply_filter_criteria", mark)
    wrap(lambda_svc, "_execute_function", retry)


def _deliver(invoke, batch, mapping, give_up):
    batch, attempts_left = list(batch), int(mapping["MaximumRetryAttempts"])
    while batch:
        result = invoke(batch)
        if result.get("throttle"):  # not a failure of the batch
            time.sleep(0.2)
            continue
        reported = _reported(result, mapping)
        if not result.get("error") and not reported:
            return
        first = next((i for i, record in enumerate(batch) if record["dynamodb"]["SequenceNumber"] in reported), 0)
        bisect = str(mapping.get("BisectBatchOnFunctionError")).lower() == "true"
        if bisect and len(batch) > 1 and (first or not reported):
            if not reported:
                first = len(batch) // 2
                _deliver(invoke, batch[:first], mapping, give_up)
            batch = batch[first:]
            attempts_left = int(mapping["MaximumRetryAttempts"])
            continue
        batch = batch[first:]
        if attempts_left == 0:
            return give_up(batch, result)
        attempts_left -= 1
        time.sleep(0.1)


def _reported(result, mapping):
    """The sequence numbers that a successful answer names as failed."""
    if result.get("error") or "ReportBatchItemFailures" not in (mapping.get("FunctionResponseTypes") or []):
        return set()
    body = result.get("body")
    if isinstance(body, (str, bytes)):
        try:
            body = json.loads(body)
        except ValueError:
            return set()
    return {failure.get("itemIdentifier") for failure in (body or {}).get("batchItemFailures") or []}


def kept_records():
    """AWS: a stream keeps its records for a day, whatever happens around it.
    MiniStack: over a restart it keeps each mapping's position in a stream but not the stream, and then skips as many
    new records as there were old ones."""
    from ministack.services import dynamodb

    from fixes.patch import wrap

    def save(state):
        return lambda: {**state(), "stream_records": copy.deepcopy(dynamodb._stream_records),
                        "stream_trimmed": copy.deepcopy(dynamodb._stream_trimmed)}

    def load(restore):
        def run(data):
            restore(data)
            dynamodb._stream_records.update((data or {}).get("stream_records", {}))
            dynamodb._stream_trimmed.update((data or {}).get("stream_trimmed", {}))
        return run

    wrap(dynamodb, "get_state", save)
    wrap(dynamodb, "load_persisted_state", load)
