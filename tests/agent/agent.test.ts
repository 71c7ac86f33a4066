import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AgentOptions, runAgent } from "../../src/agent/agent.ts";
import { startAgent } from "../../src/agent/start-agent.ts";
import { SessionKeeper } from "../../src/cluster/metadata/session-keeper.ts";
import {
  type Coordination,
  CoordinationError,
  type OpenSession,
} from "../../src/coordination/coordination.ts";
import { EmbeddedCoordination } from "../../src/coordination/embedded/service.ts";
import { faultySessions, withEachFault } from "../support/faulty-sessions.ts";
import { interceptedSession } from "../support/intercepted-session.ts";
import { type SkippingClock, skippingClock } from "../support/skipping-clock.ts";
import { identity, load } from "./sample-agent.ts";

const parent = "/zk-agent";
const intervalMs = 5000;

interface Bench {
  readonly clock: SkippingClock;
  readonly observer: Coordination;
  /** What agents could not do. */
  readonly diagnostics: string[];
  /** When each report was written, and its `memoryUsage`. */
  readonly writes: { readonly atMs: number; readonly memoryUsage: number }[];
  readonly sessions: SessionKeeper;
  /** Makes the service end the current session. */
  expire(): void;
  /** Runs an agent whose readings have these values of `memoryUsage` in GB, and ends it after the last one. */
  run(readings: readonly (number | (() => unknown))[], options?: Partial<AgentOptions>): Promise<void>;
  /** The znodes of all agents, with their data. */
  znodes(): Promise<Record<string, { readonly id: string; readonly memoryUsage: number }>>;
}

async function bench(openWith?: (service: EmbeddedCoordination) => OpenSession): Promise<Bench> {
  const clock = skippingClock();
  const service = await EmbeddedCoordination.start({ clock });
  const observer = await service.opener()();
  const diagnostics: string[] = [];
  const writes: { atMs: number; memoryUsage: number }[] = [];
  const onDiagnostic = (message: string) => diagnostics.push(message);
  const inner = openWith?.(service) ?? service.opener();
  let current: Coordination | undefined;
  const open: OpenSession = async (options) => {
    const session = await inner(options);
    current = session;
    return {
      ...interceptedSession(session, (_, perform) => perform()),
      get state() {
        return session.state;
      },
      create: (path, data, ...rest) => {
        note(data);
        return session.create(path, data, ...rest);
      },
      set: (path, data, version) => {
        note(data);
        return session.set(path, data, version);
      },
    };
  };
  const note = (data: Uint8Array) => {
    if (data.length > 0) writes.push({ atMs: clock.monotonicMs(), memoryUsage: usageOf(data) });
  };
  const sessions = new SessionKeeper({ open, clock, onDiagnostic });
  return {
    clock,
    observer,
    diagnostics,
    writes,
    sessions,
    expire() {
      if (current !== undefined) service.expire(current);
    },
    async run(readings, options) {
      const left = [...readings];
      let usage = 0;
      const stop = runAgent({
        sessions,
        clock,
        access: "open",
        identity,
        intervalMs,
        onDiagnostic,
        readLoad() {
          for (;;) {
            const next = left.shift();
            if (next === undefined) stop();
            if (typeof next === "function") {
              next();
              continue;
            }
            usage = next ?? usage;
            return { ...load, memoryUsage: usage * 1e9 };
          }
        },
        ...options,
      });
      await clock.idle();
    },
    async znodes() {
      const names = await observer.children(parent);
      const entries = names.map(async (name) => {
        const { data } = await observer.get(`${parent}/${name}`);
        return [name, { id: identity.id, memoryUsage: usageOf(data) }] as const;
      });
      return Object.fromEntries(await Promise.all(entries));
    },
  };
}

function usageOf(data: Uint8Array): number {
  return JSON.parse(new TextDecoder().decode(data)).memoryUsage / 1e9;
}

const only = (memoryUsage: number) => [{ id: identity.id, memoryUsage }];

describe("an agent", () => {
  it("registers, and writes only what has changed, at most once in each interval", async () => {
    const { run, writes, znodes, diagnostics } = await bench();
    await run([5, 5, 5.1, 6, 6.1, 7]);
    assert.deepEqual(
      writes.map(({ memoryUsage }) => memoryUsage),
      [5, 6, 7],
    );
    for (const [index, { atMs }] of writes.entries()) {
      assert.ok(atMs - (writes[index - 1]?.atMs ?? Number.NEGATIVE_INFINITY) >= intervalMs);
    }
    assert.deepEqual(Object.values(await znodes()), only(7));
    assert.match(Object.keys(await znodes())[0] ?? "", /^agent-0123456789ab-\d{10}$/);
    assert.deepEqual(diagnostics, []);
  });

  it("leaves nothing when its session ends", async () => {
    const { run, znodes, sessions } = await bench();
    await run([5]);
    await sessions.stop();
    assert.deepEqual(await znodes(), {});
  });

  it("has one znode with what it read last, whatever fault its first or a later operation meets", async () => {
    await withEachFault(async (faultAt) => {
      let faulty: ReturnType<typeof faultySessions> | undefined;
      const tested = await bench((service) => {
        faulty = faultySessions(service, faultAt);
        return faulty.open;
      });
      await tested.run([5, 6, 7, 8, 9, 9, 9, 9]);
      assert.deepEqual(Object.values(await tested.znodes()), only(9));
      // What mends itself is no trouble.
      assert.deepEqual(tested.diagnostics, []);
      assert.ok(faulty);
      return faulty;
    });
  });

  it("registers again after an expired session, and after somebody has deleted its znode", async () => {
    const tested = await bench();
    const { observer } = tested;
    const seen: string[][] = [];
    const look = async () => seen.push(await observer.children(parent));
    await tested.run([
      5,
      () => void look().then(() => tested.expire()),
      5,
      5,
      () => void look().then(() => observer.delete(`${parent}/${seen[1]?.[0]}`, -1)),
      5,
      5,
      () => void look(),
      5,
    ]);
    assert.deepEqual(
      seen.map((names) => names.length),
      [1, 1, 1],
    );
    assert.equal(new Set(seen.flat()).size, 3);
  });

  it("tells a failure once, and goes on when it has passed", async () => {
    const tested = await bench();
    const fail = () => {
      throw new Error("the machine tells nothing");
    };
    await tested.run([fail, fail, fail, 5, 5]);
    assert.deepEqual(tested.diagnostics, ["agent: the machine tells nothing"]);
    assert.equal(tested.writes.length, 1);
  });

  it("waits before it tries again when it may not watch its znode, and says so once", async () => {
    let attempts = 0;
    const tested = await bench((service) => async (options) => {
      const session = await service.opener()(options);
      return interceptedSession(session, async (call, perform) => {
        if (call.name !== "get") return await perform();
        if (++attempts === 5) void tested.sessions.stop();
        throw new CoordinationError("NO_AUTH", "refused", { path: call.path });
      });
    });
    await tested.run([5, 5, 5, 5, 5, 5]);
    assert.equal(attempts, 5);
    assert.equal(tested.diagnostics.length, 1);
    assert.match(tested.diagnostics[0] ?? "", /^agent: \/zk-agent\/agent-\S+ does not let us in/);
    assert.ok(tested.clock.monotonicMs() >= 3000);
  });

  it("is refused with an interval below a second, or one that no timer can count", () => {
    for (const intervalMs of [999, Number.NaN, 2 ** 31]) {
      const start = () => startAgent({ zooaddr: "127.0.0.1:1", serverIp: "127.0.0.1", intervalMs });
      assert.throws(start, {
        name: "RangeError",
        message: /^intervalMs is \S+; it must be a number from 1000 to /,
      });
    }
  });

  it("does not take a znode for its own that an earlier session has left", async () => {
    const tested = await bench();
    const path = `${parent}/agent-${identity.id}-0000000000`;
    await tested.observer.create(parent, new Uint8Array(), "persistent");
    await tested.observer.create(path, new TextEncoder().encode('{"memoryUsage":1000000000}'), "ephemeral");
    await tested.run([5]);
    const usages = Object.values(await tested.znodes()).map(({ memoryUsage }) => memoryUsage);
    assert.deepEqual(usages.sort(), [1, 5]);
  });
});
