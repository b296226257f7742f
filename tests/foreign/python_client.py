"""The official Python client at a writable door: appends, conflicts, re-appends, reads, subscribes, follows."""

import json
import sys
from uuid import uuid4

from kurrentdbclient import Checkpoint, CaughtUp, KurrentDBClient, NewEvent, StreamState
from kurrentdbclient.exceptions import (
    AccessDeniedError,
    BadRequestError,
    NotFoundError,
    WrongCurrentVersionError,
)

client = KurrentDBClient(sys.argv[1])
STREAM = "movie-mv_python"
ENVELOPE = {"actor": "customer:u_py", "$correlationId": "req_py", "time": "2026-11-23T10:00:00.123Z"}


def movie(kind, title):
    data = {"movieId": "mv_python", "title": title, "languages": ["Hindi"], "genres": ["Drama"], "durationMins": 100}
    return NewEvent(
        type=f"movie.{kind}.v1", data=json.dumps(data).encode(), metadata=json.dumps(ENVELOPE).encode(), id=uuid4()
    )


def refused(error, call):
    try:
        call()
    except error as refusal:
        return refusal
    raise AssertionError(f"no {error.__name__}")


def check(holds, what):
    if not holds:
        raise AssertionError(what)


# One event goes by Append, several by BatchAppend.
added = movie("added", "One")
first = client.append_event(STREAM, event=added, current_version=StreamState.NO_STREAM)
changes = [movie("changed", "Two"), movie("changed", "Three")]
second = client.append_events(STREAM, events=changes, current_version=0)
check(second > first, "positions grow")

# Repeated under the same expected revision: the same answer, and nothing is written.
check(client.append_event(STREAM, event=added, current_version=StreamState.NO_STREAM) == first, "re-append of one")
check(client.append_events(STREAM, events=changes, current_version=0) == second, "re-append of several")
check(client.get_current_version(STREAM) == 2, "nothing was written twice")

# Conflicts, by either call.
late = movie("changed", "Late")
refused(WrongCurrentVersionError, lambda: client.append_event(STREAM, event=late, current_version=0))
refused(WrongCurrentVersionError, lambda: client.append_events(STREAM, events=[late], current_version=StreamState.NO_STREAM))
refused(WrongCurrentVersionError, lambda: client.append_event("movie-mv_none", event=late, current_version=7))

# What is not Marquee's is refused, and nothing is deleted.
foreign = NewEvent(type="OrderPlaced", data=b"{}", id=uuid4())
refused(Exception, lambda: client.append_event(STREAM, event=foreign, current_version=2))
refused(BadRequestError, lambda: client.append_events(STREAM, events=[foreign], current_version=2))
refused(BadRequestError, lambda: client.append_events("orders-1", events=[late], current_version=StreamState.NO_STREAM))
refused(AccessDeniedError, lambda: client.delete_stream(STREAM, current_version=2))
check(client.get_current_version(STREAM) == 2, "nothing refused was written")

# Streams, both ways.
ids = [added.id] + [change.id for change in changes]
read = client.get_stream(STREAM)
check([event.id for event in read] == ids, "forwards")
check([event.stream_position for event in read] == [0, 1, 2], "revisions")
check(json.loads(read[0].metadata) == ENVELOPE, f"the envelope comes back: {read[0].metadata}")
check(json.loads(read[2].data)["title"] == "Three", "the data comes back")
check(read[2].commit_position == second, "the position that the append was answered with")
check([event.id for event in client.get_stream(STREAM, backwards=True)] == ids[::-1], "backwards")
check([event.id for event in client.get_stream(STREAM, stream_position=1, limit=1)] == ids[1:2], "from one on")
refused(NotFoundError, lambda: client.get_stream("movie-mv_none"))

# The whole log, both ways, with and without filters. The default filter looks ahead.
log = list(client.read_all())
check([event.id for event in log if event.stream_name == STREAM] == ids, "the whole log")
positions = [event.commit_position for event in log]
check(positions == sorted(set(positions)), "the log's order")
check([event.id for event in client.read_all(backwards=True)] == [event.id for event in log][::-1], "the log backwards")
ours = list(client.read_all(filter_include=[STREAM], filter_by_stream_name=True))
check([event.id for event in ours] == ids, "by the stream's name")
changed = list(client.read_all(filter_include=["movie\\.changed.*"]))
check([event.id for event in changed] == ids[1:], "by the event's name")
after = list(client.read_all(commit_position=first, filter_include=["movie-"], filter_by_stream_name=True, filter_by_prefix=True))
check([event.id for event in after][:1] == ids[:1], "a position is read from, itself included")
before = list(client.read_all(commit_position=first, backwards=True, limit=1))
check(before[0].commit_position < first, "and backwards it is not")

# A stream: what is there, caught up, then what comes.
with client.subscribe_to_stream(STREAM, include_caught_up=True) as subscription:
    check([next(subscription).id for _ in range(3)] == ids, "the stream that is there")
    check(isinstance(next(subscription), CaughtUp), "caught up")
    live = movie("changed", "Four")
    client.append_event(STREAM, event=live, current_version=2)
    check(next(subscription).id == live.id, "the stream lives")
with client.subscribe_to_stream(STREAM, stream_position=2) as subscription:
    check(next(subscription).id == live.id, "resumed after a revision")

# The whole log: filtered, with checkpoints; then what the server itself writes.
with client.subscribe_to_all(
    commit_position=first,
    filter_include=["movie-mv_python", "city-follow_python"],
    filter_by_stream_name=True,
    filter_by_prefix=True,
    include_checkpoints=True,
    include_caught_up=True,
) as subscription:
    seen, checkpoints, caught_up = [], 0, False
    while not caught_up:
        event = next(subscription)
        checkpoints += isinstance(event, Checkpoint)
        caught_up = isinstance(event, CaughtUp)
        if not isinstance(event, (Checkpoint, CaughtUp)):
            seen.append(event.id)
    check(seen == ids[1:] + [live.id], "after a position, itself not included")
    check(checkpoints > 0, "checkpoints")
    print("following", flush=True)
    while isinstance(event := next(subscription), (Checkpoint, CaughtUp)):
        pass
    check((event.stream_name, event.type) == ("city-follow_python", "city.added.v1"), f"followed: {event}")

client.close()
print("done", flush=True)
