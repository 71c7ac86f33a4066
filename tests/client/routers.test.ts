import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KvClient } from "kvlab";
import { atOnce } from "../support/at-once.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { until } from "../support/until.ts";
import { never, startToyServer, topologyOf } from "./toy-cluster.ts";

const timeout = 30_000;

/** Two routers, the first behind a proxy, which both name the second as primary of group `first`. */
function withRouters(direct: boolean, run: (it: Awaited<ReturnType<typeof start>>) => Promise<void>) {
  return atOnce(async () => {
    const started = await start(direct);
    try {
      await run(started);
    } finally {
      started.kv.close();
      await started.proxy.close();
      await Promise.all([started.one.close(), started.two.close()]);
    }
  });
}

async function start(direct: boolean) {
  const [one, two] = [await startToyServer(), await startToyServer()];
  const proxy = await startTcpProxy(one.address);
  one.tell(topologyOf({ first: two.address }));
  two.tell(topologyOf({ first: two.address }));
  const kv = new KvClient({ routers: [proxy.address, two.address], direct });
  return { one, two, proxy, kv };
}

for (const direct of [true, false]) {
  describe(direct ? "straight to the data nodes" : "through routers", () => {
    it(
      "another router is asked when the first cannot be reached",
      { timeout },
      withRouters(direct, async ({ kv, proxy }) => {
        proxy.setMode("cut");
        assert.ok(await kv.put("a", "1"));
      }),
    );

    it(
      "another router is asked when the first does not answer",
      { timeout },
      withRouters(direct, async ({ kv, proxy }) => {
        proxy.setMode("silent");
        assert.ok(await kv.put("a", "1"));
      }),
    );

    it(
      "another router is asked when the first falls silent under a call",
      { timeout },
      withRouters(direct, async ({ kv, proxy, one }) => {
        assert.ok(await kv.get("a"));
        let asked = () => {};
        one.put = (_request, signal) => {
          asked();
          return never(signal);
        };
        if (direct) proxy.setMode("silent");
        else asked = () => proxy.setMode("silent");
        assert.ok(await kv.put("a", "1"));
      }),
    );

    it(
      "another router is asked when the first breaks off later",
      { timeout },
      withRouters(direct, async ({ kv, proxy, two }) => {
        assert.equal((await kv.locate("a")).group, "first");
        assert.ok(await kv.put("a", "1"));
        proxy.setMode("cut");
        two.tell(topologyOf({ first: two.address, second: two.address }));
        await until("the second group is known", 15_000, async () => {
          const places = await Promise.all(["a", "b", "c", "d", "e", "f"].map((key) => kv.locate(key)));
          return places.some(({ group }) => group === "second");
        });
        assert.ok(await kv.put("a", "1"));
      }),
    );
  });
}

it(
  "a router that knows an older ring than another does not bring that back, but newer primaries",
  { timeout },
  withRouters(true, async ({ kv, one, two, proxy }) => {
    one.tell(topologyOf({ first: "127.0.0.1:9", second: two.address }, 1n, 2n));
    two.tell(topologyOf({ first: two.address, third: two.address }, 2n, 1n));
    const places = () => Promise.all(["a", "b", "c", "d", "e", "f", "g", "h"].map((key) => kv.locate(key)));
    const groups = (await places()).map(({ group }) => group);
    assert.deepEqual([...new Set(groups)].sort(), ["first", "second"]);
    proxy.setMode("cut");
    await until("the other router is heard", 15_000, async () =>
      (await places()).some(({ group, address }) => group === "first" && address === two.address),
    );
    assert.deepEqual(
      (await places()).map(({ group }) => group),
      groups,
    );
  }),
);

it(
  "a router that is behind another does not bring back a replaced primary",
  { timeout },
  withRouters(true, async ({ kv, one, two, proxy }) => {
    one.tell(topologyOf({ first: two.address }, 2n));
    two.tell(topologyOf({ first: "127.0.0.1:9" }, 1n));
    assert.equal((await kv.locate("a")).address, two.address);
    let asked = 0;
    const { get } = two;
    two.get = (request, signal) => {
      asked++;
      return get(request, signal);
    };
    proxy.setMode("cut");
    for (let i = 0; i < 20; i++) await kv.get("a", { deadlineMs: 2_000 });
    assert.equal(asked, 20);
  }),
);

it(
  "a router that lost ZooKeeper long ago is given up for one that has not",
  { timeout },
  withRouters(false, async ({ kv, one, two }) => {
    one.tell({ ...topologyOf({ first: two.address }), ageMs: 60_000n });
    one.put = (_request, signal) => never(signal);
    assert.ok(await kv.put("a", "1", { deadlineMs: 5_000 }));
  }),
);

it(
  "calls go on at routers that have all lost ZooKeeper long ago",
  { timeout },
  withRouters(false, async ({ kv, one, two }) => {
    let attempts = 0;
    for (const router of [one, two]) {
      router.tell({ ...topologyOf({ first: two.address }), ageMs: 60_000n });
      router.put = async () => {
        attempts++;
        // Longer than calls have at a router that was given up.
        await new Promise((resolve) => setTimeout(resolve, 3_000));
        return { revision: 1n };
      };
    }
    await kv.put("a", "1");
    assert.equal(attempts, 1);
  }),
);

it(
  "a call that its caller gives up does not make the client leave its router, and the calls that it has there",
  { timeout },
  withRouters(false, async ({ kv, one, two }) => {
    const asked: string[] = [];
    for (const [name, router] of Object.entries({ one, two })) {
      router.put = async () => {
        asked.push(name);
        return { revision: 1n };
      };
    }
    const leaving = new AbortController();
    one.get = (_request, signal) => {
      leaving.abort();
      return never(signal);
    };
    await assert.rejects(kv.get("a", { signal: leaving.signal }), { code: "aborted" });
    await kv.put("a", "1");
    assert.deepEqual(asked, ["one"]);
  }),
);
