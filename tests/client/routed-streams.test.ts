import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { KvClient, type KvEvent } from "kvlab";
import {
  EventKind,
  KeyValueSchema,
  type ScanRequest,
  type WatchEvent,
  WatchEventSchema,
  type WatchRequest,
} from "../../gen/kvlab/v1/data_pb.ts";
import { HistoryLostSchema } from "../../gen/kvlab/v1/errors_pb.ts";
import { systemEnvironment } from "../../src/client/environment.ts";
import { positionsOf, tokenOf } from "../../src/client/positions.ts";
import { ForwardClock } from "../support/forward-clock.ts";
import { never, startToyServer, type ToyServer } from "./toy-cluster.ts";

// A client that calls only routers: one stream for a scan or watch of all groups, which the router merges.

const timeout = 30_000;

async function withRouter(
  run: (kv: KvClient, router: ToyServer) => Promise<void>,
  clock = systemEnvironment.clock,
): Promise<void> {
  const router = await startToyServer();
  const kv = new KvClient({ routers: router.address, direct: false }, { ...systemEnvironment, clock });
  try {
    await run(kv, router);
  } finally {
    kv.close();
    await router.close();
  }
}

function event(key: string, revision: bigint): WatchEvent {
  return create(WatchEventSchema, { kind: EventKind.PUT, key, revision, epoch: 1n });
}

function tokenAt(g: bigint, h: bigint): string {
  const groups = new Map([
    ["g", { revision: g, epoch: 1n }],
    ["h", { revision: h, epoch: 1n }],
  ]);
  return tokenOf({ cluster: "c1", ring: { version: 1n, change: 2n }, groups });
}

function reached(token: string): (bigint | undefined)[] {
  const { groups } = positionsOf(token);
  return [groups.get("g")?.revision, groups.get("h")?.revision];
}

async function take(events: AsyncIterable<KvEvent>, count: number): Promise<KvEvent[]> {
  const taken: KvEvent[] = [];
  for await (const each of events) if (taken.push(each) === count) break;
  return taken;
}

/** A router that tells so many changes of one group before the other one has answered. */
function tellingG(count: number): ToyServer["watch"] {
  return async function* ({ afterToken = "" }, signal) {
    let [g = 0n] = reached(afterToken);
    while (++g <= count) {
      const events = [event("a", g)];
      const complete = g === BigInt(count);
      yield { group: "g", events, revision: g, epoch: 1n, token: tokenAt(g, 20n), complete };
    }
    await never(signal);
  };
}

function revisionOf({ revision }: KvEvent): number {
  return revision;
}

/** The numbers from 1. */
function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

describe("a watch through routers", () => {
  it("is one stream of all groups, whose events have tokens of all", { timeout }, () =>
    withRouter(async (kv, router) => {
      const requests: WatchRequest[] = [];
      router.watch = async function* (request, signal) {
        requests.push(request);
        const h = { group: "h", revision: 21n, epoch: 1n };
        yield { group: "g", revision: 10n, epoch: 1n, token: tokenAt(10n, 20n), complete: true };
        yield {
          group: "g",
          events: [event("a", 11n), event("b", 11n), event("a", 12n)],
          revision: 12n,
          epoch: 1n,
          token: tokenAt(12n, 20n),
          complete: true,
        };
        yield { ...h, events: [event("c", 21n)], token: tokenAt(12n, 21n), complete: true };
        await never(signal);
      };
      const events = await take(kv.watch({ prefix: "x", previous: true }), 4);
      assert.deepEqual(
        events.map(({ key, revision, token }) => [`${key}${revision}`, reached(token)]),
        [
          ["a11", [10n, 20n]],
          ["b11", [11n, 20n]],
          ["a12", [12n, 20n]],
          ["c21", [12n, 21n]],
        ],
      );
      assert.equal(requests.length, 1);
      const [{ group, scope, previous, afterToken } = assert.fail()] = requests;
      assert.deepEqual(
        [group, scope, previous, afterToken],
        ["", { case: "prefix", value: "x" }, true, undefined],
      );
    }),
  );

  it("fails though nobody reads it, also after answers of some groups", { timeout }, () =>
    withRouter(async (kv, router) => {
      router.watch = async function* () {
        for (const revision of [10n, 11n, 12n]) {
          const events = [event("a", revision)];
          yield { group: "g", events, revision, epoch: 1n, token: tokenAt(revision, 20n), complete: false };
        }
        throw new ConnectError("gone", Code.OutOfRange, undefined, [{ desc: HistoryLostSchema, value: {} }]);
      };
      await assert.rejects(kv.watch({ after: tokenAt(9n, 20n) }).ready(), { code: "history-lost" });
    }),
  );

  it(
    "goes on after the last token when its stream breaks, and tells a batch in parts once",
    { timeout },
    () =>
      withRouter(async (kv, router) => {
        const tokens: (string | undefined)[] = [];
        const ofG = { group: "g", revision: 10n, epoch: 1n, token: tokenAt(10n, 20n), complete: true };
        router.watch = async function* ({ afterToken }, signal) {
          tokens.push(afterToken);
          yield ofG;
          yield { ...ofG, events: [event("a", 11n)] };
          const ofH = { group: "h", events: [event("c", 21n)], revision: 21n, epoch: 1n };
          if (tokens.length === 1) yield { ...ofH, token: tokenAt(10n, 21n), complete: true };
          if (tokens.length === 1) throw new ConnectError("the router stops", Code.Unavailable);
          yield { ...ofG, events: [event("b", 11n)], revision: 11n, token: tokenAt(11n, 21n) };
          await never(signal);
        };
        const events = await take(kv.watch(), 3);
        assert.deepEqual(
          events.map(({ key, revision }) => `${key}${revision}`),
          ["a11", "c21", "b11"],
        );
        assert.deepEqual(tokens, [undefined, tokenAt(10n, 21n)]);
      }),
  );

  it("is ready when all groups have answered, and tells before that what has come", { timeout }, () =>
    withRouter(async (kv, router) => {
      const { promise: isRead, resolve: read } = Promise.withResolvers<void>();
      router.watch = async function* (_request, signal) {
        const h = { group: "h", events: [event("c", 21n)], revision: 21n, epoch: 1n };
        yield { ...h, token: tokenAt(10n, 21n), complete: false };
        await isRead;
        yield { group: "g", revision: 10n, epoch: 1n, token: tokenAt(10n, 21n), complete: true };
        await never(signal);
      };
      const watch = kv.watch({ after: tokenAt(10n, 20n) });
      let isReady = false;
      const ready = watch.ready().then(() => {
        isReady = true;
      });
      const reader = watch[Symbol.asyncIterator]();
      assert.equal((await reader.next()).value?.key, "c");
      assert.equal(isReady, false);
      read();
      await ready;
      await reader.return?.();
    }),
  );

  it(
    "is ready when all groups have answered, however much has come before that nobody reads",
    { timeout },
    () =>
      withRouter(async (kv, router) => {
        const count = 200;
        router.watch = tellingG(count);
        const watch = kv.watch({ after: tokenAt(0n, 20n), deadlineMs: 5_000 });
        await watch.ready();
        assert.deepEqual((await take(watch, count)).map(revisionOf), upTo(count));
      }),
  );

  it("may be read later than all groups must have answered", { timeout }, () => {
    const clock = new ForwardClock();
    return withRouter(async (kv, router) => {
      const count = 200;
      router.watch = tellingG(count);
      const deadlineMs = 20_000;
      const watch = kv.watch({ after: tokenAt(0n, 20n), deadlineMs });
      await watch.ready();
      clock.forward(1.5 * deadlineMs);
      assert.deepEqual((await take(watch, count)).map(revisionOf), upTo(count));
    }, clock);
  });

  it("fails after its outage when a group stays away, though others are told", { timeout }, () =>
    withRouter(async (kv, router) => {
      let calls = 0;
      router.watch = async function* () {
        const whole = calls++ === 0;
        yield { group: "g", revision: 10n, epoch: 1n, token: tokenAt(10n, 20n), complete: whole };
        throw new ConnectError('group "h" has no primary now', Code.Unavailable);
      };
      await assert.rejects(take(kv.watch({ outageMs: 500 }), 1), {
        code: "unavailable",
        message: /group "h" has no primary now/,
      });
      assert.ok(calls > 1);
    }),
  );

  it(
    "says that the history is lost when the router serves another cluster than the token's",
    { timeout },
    () =>
      withRouter(async (kv, router) => {
        router.watch = () => {
          const detail = { desc: HistoryLostSchema, value: {} };
          throw new ConnectError("another cluster", Code.InvalidArgument, undefined, [detail]);
        };
        await assert.rejects(take(kv.watch({ after: tokenAt(1n, 1n) }), 1), { code: "history-lost" });
      }),
  );
});

describe("a scan through routers", () => {
  it("is one stream of all groups, which goes on behind its last key when it breaks", { timeout }, () =>
    withRouter(async (kv, router) => {
      const requests: ScanRequest[] = [];
      const items = (...keys: string[]) => keys.map((key) => create(KeyValueSchema, { key, revision: 1n }));
      router.scan = async function* (request) {
        if (requests.push(request) === 1) {
          yield { items: items("a", "b"), watchToken: tokenAt(10n, 20n) };
          throw new ConnectError("the router stops", Code.Unavailable);
        }
        yield { items: items("c", "d"), watchToken: tokenAt(15n, 25n) };
      };
      const scan = kv.scan({ limit: 4 });
      const keys: string[] = [];
      for await (const { key } of scan) keys.push(key);
      assert.deepEqual(keys, ["a", "b", "c", "d"]);
      assert.deepEqual(
        requests.map(({ group, after, limit }) => [group, after, limit]),
        [
          ["", undefined, 4n],
          ["", "b", 2n],
        ],
      );
      assert.equal(scan.watchToken, tokenAt(10n, 20n));
    }),
  );

  it("of nothing has a token, too", { timeout }, () =>
    withRouter(async (kv, router) => {
      router.scan = async function* () {
        yield { watchToken: tokenAt(10n, 20n) };
      };
      const scan = kv.scan();
      for await (const { key } of scan) assert.fail(key);
      assert.equal(scan.watchToken, tokenAt(10n, 20n));
    }),
  );
});
