import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { KvClient, KvError, type KvEvent } from "kvlab";
import {
  EventKind,
  type ScanRequest,
  type WatchEvent,
  type WatchRequest,
} from "../../gen/kvlab/v1/data_pb.ts";
import { HistoryLostSchema } from "../../gen/kvlab/v1/errors_pb.ts";
import { systemEnvironment } from "../../src/client/environment.ts";
import { ForwardClock } from "../support/forward-clock.ts";
import { until } from "../support/until.ts";
import { never, startToyServer, type ToyServer, topologyOf } from "./toy-cluster.ts";

const timeout = 30_000;

async function withServer(
  run: (kv: KvClient, server: ToyServer) => Promise<void>,
  clock = systemEnvironment.clock,
): Promise<void> {
  const server = await startToyServer();
  server.tell(topologyOf({ g: server.address }));
  const kv = new KvClient({ routers: server.address }, { ...systemEnvironment, clock });
  try {
    await run(kv, server);
  } finally {
    kv.close();
    await server.close();
  }
}

function put(key: string, revision: bigint, epoch = 3n): WatchEvent {
  return {
    $typeName: "kvlab.v1.WatchEvent",
    kind: EventKind.PUT,
    key,
    value: { case: "text", value: `${key}${revision}` },
    revision,
    epoch,
  };
}

function keyValue(key: string) {
  return { $typeName: "kvlab.v1.KeyValue", key, value: { case: undefined }, revision: 1n } as const;
}

async function take(events: AsyncIterable<KvEvent>, count: number): Promise<KvEvent[]> {
  const taken: KvEvent[] = [];
  for await (const event of events) if (taken.push(event) === count) break;
  return taken;
}

describe("a watch", () => {
  it("after any event says of which history that is", { timeout }, () =>
    withServer(async (kv, server) => {
      const places: unknown[] = [];
      server.watch = async function* ({ afterRevision, afterEpoch }, signal) {
        places.push([afterRevision, afterEpoch]);
        yield { events: [], revision: afterRevision ?? 10n, epoch: afterEpoch || 3n };
        if (afterRevision !== undefined) await never(signal);
        yield { events: [put("a", 11n, 3n), put("b", 12n, 4n), put("c", 13n, 5n)], revision: 13n, epoch: 5n };
        await never(signal);
      };
      for (const { token } of await take(kv.watch(), 3)) await kv.watch({ after: token }).ready();
      assert.deepEqual(places.slice(1), [
        [11n, 3n],
        [12n, 4n],
        [13n, 5n],
      ]);
    }),
  );

  it("tells a batch that comes in parts once, also when its stream breaks between them", { timeout }, () =>
    withServer(async (kv, server) => {
      let calls = 0;
      server.watch = async function* (request, signal) {
        yield { events: [], revision: request.afterRevision ?? 10n, epoch: 3n };
        yield { events: [put("a", 11n)], revision: 10n, epoch: 3n };
        if (++calls === 1) throw new ConnectError("it broke", Code.Unavailable);
        yield { events: [put("b", 11n)], revision: 10n, epoch: 3n };
        if (calls === 2) throw new ConnectError("it broke again", Code.Unavailable);
        yield { events: [put("c", 11n), put("a", 12n)], revision: 12n, epoch: 3n };
        await never(signal);
      };
      const events = await take(kv.watch(), 4);
      assert.deepEqual(
        events.map(({ key, revision }) => `${key}${revision}`),
        ["a11", "b11", "c11", "a12"],
      );
    }),
  );

  it("goes on from where it has come to when its stream breaks", { timeout }, () =>
    withServer(async (kv, server) => {
      const requests: WatchRequest[] = [];
      server.watch = async function* (request, signal) {
        switch (requests.push(request)) {
          case 1:
            yield { events: [], revision: 10n, epoch: 3n };
            yield { events: [put("a", 11n), put("b", 12n)], revision: 14n, epoch: 4n };
            throw new ConnectError("the primary has been replaced", Code.Unavailable);
          case 2:
            throw new ConnectError("not yet", Code.Unavailable);
          default:
            yield { events: [], revision: 14n, epoch: 4n };
            yield { events: [put("a", 15n)], revision: 15n, epoch: 5n };
            await never(signal);
        }
      };
      const events = await take(kv.watch({ prefix: "x" }), 3);
      assert.deepEqual(
        events.map(({ revision }) => revision),
        [11, 12, 15],
      );
      assert.deepEqual(
        requests.map(({ afterRevision, afterEpoch }) => [afterRevision, afterEpoch]),
        [
          [undefined, 0n],
          [14n, 4n],
          [14n, 4n],
        ],
      );
      assert.deepEqual(requests[2]?.scope, { case: "prefix", value: "x" });

      // A token within an answer names its revision; the last one of it, all of it.
      for (const [index, expected] of [
        [0, [11n, 3n]],
        [1, [14n, 4n]],
        [2, [15n, 5n]],
      ] as const) {
        requests.length = 2;
        await kv.watch({ after: events[index]?.token }).ready();
        assert.deepEqual([requests[2]?.afterRevision, requests[2]?.afterEpoch], expected);
      }
    }),
  );

  it("whose server ends it goes on, too", { timeout }, () =>
    withServer(async (kv, server) => {
      let count = 0;
      server.watch = async function* () {
        count++;
        yield { events: [put("a", BigInt(count))], revision: BigInt(count), epoch: 1n };
      };
      assert.equal((await take(kv.watch(), 3)).length, 3);
    }),
  );

  it("fails with history-lost when the server has lost what comes next", { timeout }, () =>
    withServer(async (kv, server) => {
      server.watch = async function* (request) {
        if (request.afterRevision === undefined) {
          yield { revision: 10n, epoch: 1n };
          throw new ConnectError("replaced", Code.Unavailable);
        }
        const detail = { desc: HistoryLostSchema, value: { oldestRevision: 99n } };
        throw new ConnectError("compacted away", Code.OutOfRange, undefined, [detail]);
      };
      const watch = kv.watch();
      await watch.ready();
      await assert.rejects(
        take(watch, 1),
        (error) => error instanceof KvError && error.code === "history-lost",
      );
    }),
  );

  it("tells all that is in a group that is new", { timeout }, () =>
    withServer(async (kv, server) => {
      const requests: WatchRequest[] = [];
      server.watch = async function* (request, signal) {
        requests.push(request);
        if (request.group === "new") yield { events: [put("n", 1n)], revision: 1n, epoch: 1n };
        else yield { revision: 10n, epoch: 1n };
        await never(signal);
      };
      const watch = kv.watch();
      await watch.ready();
      server.tell(topologyOf({ g: server.address, new: server.address }));
      const [event] = await take(watch, 1);
      assert.equal(event?.key, "n");
      assert.deepEqual(
        requests.map(({ group, afterRevision, afterRingChange }) => [group, afterRevision, afterRingChange]),
        [
          ["g", undefined, 2n],
          // Which began after the ring that the watch has begun with.
          ["new", undefined, 2n],
        ],
      );
      requests.length = 0;
      await kv.watch({ after: event?.token }).ready();
      assert.deepEqual(requests.map(({ group, afterRevision }) => [group, afterRevision]).sort(), [
        ["g", 10n],
        ["new", 1n],
      ]);
    }),
  );

  it("has no deadline for the first answer of a group that is new", { timeout }, () => {
    const clock = new ForwardClock();
    return withServer(async (kv, server) => {
      const isAsked = Promise.withResolvers<void>();
      const slow = Promise.withResolvers<void>();
      const deadlineMs = 20_000;
      const watch = kv.watch({ deadlineMs });
      await watch.ready();
      server.watch = async function* (_request, signal) {
        isAsked.resolve();
        await slow.promise;
        yield { events: [put("n", 1n)], revision: 1n, epoch: 1n };
        await never(signal);
      };
      server.tell(topologyOf({ g: server.address, new: server.address }));
      const telling = take(watch, 1);
      await isAsked.promise;
      clock.forward(2 * deadlineMs);
      slow.resolve();
      const [event] = await telling;
      assert.equal(event?.key, "n");
    }, clock);
  });

  it("begins now also in a group that it hears of before all have answered", { timeout }, () =>
    withServer(async (kv, server) => {
      const requests = new Map<string, WatchRequest>();
      const slow = Promise.withResolvers<void>();
      server.watch = async function* (request, signal) {
        requests.set(request.group, request);
        if (request.group === "g") await slow.promise;
        yield { revision: 10n, epoch: 1n };
        await never(signal);
      };
      const watch = kv.watch();
      await until("the first group is asked", timeout, () => requests.has("g"));
      server.tell(topologyOf({ g: server.address, late: server.address }));
      await until("the other group is asked", timeout, () => requests.has("late"));
      assert.equal(requests.get("late")?.fromNow, true);
      slow.resolve();
      await watch.ready();
    }),
  );

  it("that nobody reads holds one answer back, and no more", { timeout }, () =>
    withServer(async (kv, server) => {
      let given = 0;
      const large = "v".repeat(100_000);
      server.watch = async function* (_request, signal) {
        yield { revision: 1n, epoch: 1n };
        while (!signal.aborted && given < 1_000) {
          given++;
          yield {
            events: [{ ...put("a", BigInt(given + 1)), value: { case: "text", value: large } }],
            revision: BigInt(given + 1),
            epoch: 1n,
          };
        }
        await never(signal);
      };
      const watch = kv.watch();
      await watch.ready();
      // By then a client that reads on would have had all of it.
      for (let i = 0; i < 200; i++) await kv.get("a");
      assert.ok(given < 100, `${given} answers of 100 kB have been sent`);
      assert.equal((await take(watch, 300)).length, 300);
    }),
  );
});

describe("a scan", () => {
  it("goes on behind the last key when its stream breaks, with what is left of its limit", { timeout }, () =>
    withServer(async (kv, server) => {
      const requests: ScanRequest[] = [];
      server.scan = async function* (request) {
        if (requests.push(request) === 1) {
          yield { items: [keyValue("a"), keyValue("b")], revision: 7n, epoch: 2n };
          throw new ConnectError("so much was written meanwhile", Code.Aborted);
        }
        yield { items: [keyValue("c"), keyValue("d")], revision: 9n, epoch: 2n };
      };
      const scan = kv.scan({ prefix: "", limit: 4 });
      const keys: string[] = [];
      for await (const { key } of scan) keys.push(key);
      assert.deepEqual(keys, ["a", "b", "c", "d"]);
      assert.deepEqual(
        requests.map(({ after, limit }) => [after, limit]),
        [
          [undefined, 4n],
          ["b", 2n],
        ],
      );
      // Of the first moment: a watch after the second would miss what changed in between.
      const watches: WatchRequest[] = [];
      const { watch } = server;
      server.watch = (request, signal) => {
        watches.push(request);
        return watch(request, signal);
      };
      await kv.watch({ after: scan.watchToken }).ready();
      assert.deepEqual([watches[0]?.afterRevision, watches[0]?.afterEpoch], [7n, 2n]);
    }),
  );

  it("asks for nothing more once it has enough", { timeout }, () =>
    withServer(async (kv, server) => {
      const { promise: isEnded, resolve: ended } = Promise.withResolvers<void>();
      server.scan = async function* () {
        try {
          for (let i = 0; ; i++) {
            yield { items: [keyValue(`${String(i).padStart(9, "0")}`)], revision: 1n, epoch: 1n };
            await new Promise((resolve) => setImmediate(resolve));
          }
        } finally {
          ended();
        }
      };
      for await (const _item of kv.scan()) break;
      await isEnded;
    }),
  );
});
