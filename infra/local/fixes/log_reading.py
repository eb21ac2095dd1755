"""Fixes to how CloudWatch Logs are read."""

import heapq

PAGE = 10_000


def paged_logs():
    """AWS: FilterLogEvents answers at most 10,000 events at a time, and nextToken as long as there are more.
    MiniStack: it answers the first 10,000 and says nothing of the others, so a search through a log misses them."""
    from ministack.services import cloudwatch_logs as logs

    from fixes.patch import wrap

    def paged(filter_events):
        def run(data):
            name = logs._resolve_log_group_name(data)
            if name not in logs._log_groups:
                return filter_events(data)
            skip, limit = logs._decode_token(data.get("nextToken")), min(data.get("limit", PAGE), PAGE)
            found = _matching(logs, logs._log_groups[name]["streams"], data)
            answer = {"events": found[skip:skip + limit], "searchedLogStreams": []}
            if len(found) > skip + limit:
                answer["nextToken"] = logs._encode_token(skip + limit)
            return logs.json_response(answer)
        return run
    wrap(logs, "_filter_log_events", paged)


def _matching(logs, streams, data):
    """All events that the request asks for, oldest first."""
    matches = logs._compile_filter_pattern(data.get("filterPattern", ""))
    begin, end = data.get("startTime", 0), data.get("endTime", float("inf"))
    with logs._log_events_lock:
        wanted = [[{**event, "logStreamName": name} for event in streams[name]["events"]
                   if begin <= event["timestamp"] <= end and matches(event.get("message", ""))]
                  for name in (data.get("logStreamNames") or list(streams)) if name in streams]
    return list(heapq.merge(*wanted, key=lambda event: (event["timestamp"], event.get("ingestionTime", 0))))


def described_while_written():
    """AWS: log groups can be listed while functions write; their size is an estimate.
    MiniStack: it adds the size up over a dictionary that the functions extend meanwhile, and answers 500. Here the
    size is 0 then."""
    from ministack.services import cloudwatch_logs as logs

    def estimate(numbers):
        try:
            return sum(numbers)
        except RuntimeError:
            return 0
    if "sum" not in logs._describe_log_groups.__code__.co_names:
        raise AttributeError("ministack's _describe_log_groups adds nothing up any more")
    logs.sum = estimate
