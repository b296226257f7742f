// The official Node client at a writable door: appends, conflicts, re-appends, reads, subscribes, follows.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";

const [url, home] = process.argv.slice(2);
const {
  KurrentDBClient, jsonEvent, streamNameFilter, eventTypeFilter, excludeSystemEvents,
  AccessDeniedError, StreamNotFoundError, WrongExpectedVersionError,
  BACKWARDS, END, NO_STREAM, START, STREAM_EXISTS,
} = createRequire(`${home}/node/`)("@kurrent/kurrentdb-client");

const client = KurrentDBClient.connectionString(url);
const stream = "movie-mv_node";
const envelope = { actor: "customer:u_node", $correlationId: "req_node", time: "2026-11-23T10:00:00.123Z" };
const movie = (kind, title) =>
  jsonEvent({
    id: randomUUID(),
    type: `movie.${kind}.v1`,
    data: { movieId: "mv_node", title, languages: ["Hindi"], genres: ["Drama"], durationMins: 100 },
    metadata: envelope,
  });
const all = async (read) => {
  const events = [];
  for await (const { event } of read) events.push(event);
  return events;
};
const ids = (events) => events.map(({ id }) => id);

// Appending, once and again.
const added = movie("added", "One");
const first = await client.appendToStream(stream, added, { streamState: NO_STREAM });
const changes = [movie("changed", "Two"), movie("changed", "Three")];
const second = await client.appendToStream(stream, changes, { streamState: 0n });
assert.equal(second.nextExpectedRevision, 2n);
assert.ok(second.position.commit > first.position.commit, "positions grow");
assert.deepEqual(await client.appendToStream(stream, added, { streamState: NO_STREAM }), first, "re-append of one");
assert.deepEqual(await client.appendToStream(stream, changes, { streamState: 0n }), second, "re-append of several");
const again = await client.appendToStream(stream, changes);
assert.deepEqual(again.nextExpectedRevision, 2n, "re-append that expects nothing in particular");

// By a call of its own rather than a batch: what the client does where credentials come with the call.
const alone = movie("changed", "Four");
const credentials = { username: "nobody", password: "nothing" };
const third = await client.appendToStream(stream, alone, { streamState: 2n, credentials });
assert.equal(third.nextExpectedRevision, 3n);

// Conflicts, by either call.
const late = movie("changed", "Late");
const conflict = (error) => error instanceof WrongExpectedVersionError;
await assert.rejects(client.appendToStream(stream, late, { streamState: 1n }), conflict);
await assert.rejects(client.appendToStream(stream, late, { streamState: NO_STREAM, credentials }), conflict);
await assert.rejects(client.appendToStream("movie-mv_none", late, { streamState: STREAM_EXISTS }), conflict);

// What is not Marquee's is refused, and nothing is deleted.
const foreign = jsonEvent({ type: "OrderPlaced", data: {} });
await assert.rejects(client.appendToStream(stream, foreign, { streamState: 3n }));
await assert.rejects(client.appendToStream("orders-1", late, { streamState: NO_STREAM }));
await assert.rejects(client.deleteStream(stream), (error) => error instanceof AccessDeniedError);
await assert.rejects(client.tombstoneStream(stream), (error) => error instanceof AccessDeniedError);

// Streams, both ways.
const expected = ids([added, ...changes, alone]);
const read = await all(client.readStream(stream));
assert.deepEqual(ids(read), expected);
assert.deepEqual(read.map(({ revision }) => revision), [0n, 1n, 2n, 3n]);
assert.deepEqual(read[0].metadata, envelope, "the envelope comes back");
assert.equal(read[2].data.title, "Three");
assert.deepEqual(ids(await all(client.readStream(stream, { direction: BACKWARDS, fromRevision: END }))), expected.toReversed());
assert.deepEqual(ids(await all(client.readStream(stream, { fromRevision: 1n, maxCount: 2 }))), expected.slice(1, 3));
await assert.rejects(all(client.readStream("movie-mv_none")), (error) => error instanceof StreamNotFoundError);

// The whole log, both ways, with and without filters.
const log = ids(await all(client.readAll()));
assert.deepEqual(log.filter((id) => expected.includes(id)), expected);
assert.deepEqual(ids(await all(client.readAll({ direction: BACKWARDS, fromPosition: END }))), log.toReversed());
const named = await all(client.readAll({ filter: streamNameFilter({ prefixes: [stream] }) }));
assert.deepEqual(ids(named), expected);
const typed = await all(client.readAll({ fromPosition: first.position, filter: eventTypeFilter({ regex: "^movie\\.changed" }) }));
assert.deepEqual(ids(typed).filter((id) => expected.includes(id)), expected.slice(1));
assert.deepEqual(ids(await all(client.readAll({ filter: excludeSystemEvents() }))), log, "look-ahead");

// A stream: what is there, then what comes.
const live = movie("changed", "Five");
const seen = [];
const following = client.subscribeToStream(stream, { fromRevision: START });
for await (const { event } of following) {
  seen.push(event.id);
  if (seen.length === expected.length) await client.appendToStream(stream, live, { streamState: 3n });
  if (seen.length > expected.length) break;
}
assert.deepEqual(seen, [...expected, live.id]);

// The whole log: filtered, with checkpoints; then what the server itself writes.
let checkpoints = 0;
const filter = streamNameFilter({
  prefixes: [stream, "city-follow_node"],
  checkpointInterval: 1,
  maxSearchWindow: 1,
  checkpointReached: () => void checkpoints++,
});
const subscription = client.subscribeToAll({ fromPosition: first.position, filter });
const caughtUp = [];
subscription.on("caughtUp", () => console.log("following"));
for await (const { event } of subscription) {
  caughtUp.push(event);
  if (event.streamId === "city-follow_node") break;
}
assert.deepEqual(ids(caughtUp).slice(0, -1), [...expected.slice(1), live.id]);
assert.equal(caughtUp.at(-1).type, "city.added.v1");
assert.ok(checkpoints > 0, "checkpoints");

await client.dispose();
console.log("done");
