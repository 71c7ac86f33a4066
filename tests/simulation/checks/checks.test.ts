import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Change, LogRecord } from "../../../src/cluster/storage/model.ts";
import { includes, type WatchScope } from "../../../src/cluster/watch/scope.ts";
import type { WatchEvent } from "../../../src/cluster/watch/step.ts";
import { at } from "../../checker/hand-written.ts";
import type { History } from "../../checker/history.ts";
import type { StoreOperation } from "../../checker/store-model.ts";
import { MemoryLog } from "../../support/memory-log.ts";
import { withLog } from "../clients/learnt.ts";
import type { ToldStep } from "../clients/open-watches.ts";
import { SimProcess } from "../world/process.ts";
import { Scheduler } from "../world/scheduler.ts";
import { Trace } from "../world/trace.ts";
import { isOverdue, problemWithTime } from "./expiry-check.ts";
import { GroupFacts } from "./group-facts.ts";
import { Invariants } from "./invariants.ts";
import { problemWithLog } from "./log-check.ts";
import { ShadowLog } from "./shadow-log.ts";
import { problemWithStep, type Watched } from "./watch-check.ts";

function put(key: string, value: string, previous = 0): Change {
  return { kind: "put", key, value: Buffer.from(value), text: true, previous };
}

function end(kind: "delete" | "expire", key: string, previous: number): Change {
  return { kind, key, value: new Uint8Array(), text: false, previous };
}

/** A log of one epoch, each record committed a millisecond after the one before. */
function groupOf(...changes: (readonly Change[])[]): GroupFacts {
  const group = new GroupFacts("g");
  for (const [index, each] of changes.entries()) {
    group.committed.push({ epoch: 1, seq: index + 1, changes: each });
    group.committedMs.push(index);
  }
  return group;
}

function named(group: GroupFacts, seq: number, requestId: string): GroupFacts {
  const record = group.committed[seq - 1];
  if (record !== undefined) group.committed[seq - 1] = { ...record, requestId };
  return group;
}

const problemWith = (group: GroupFacts, history: History<StoreOperation> = []) =>
  problemWithLog(group, withLog(history, [group]), () => "g");

describe("the check of a log", () => {
  it("takes a log in which each record continues from those before", () => {
    const log = groupOf([], [put("k", "a"), put("l", "b")], [end("expire", "k", 2)], [put("k", "c")]);
    assert.equal(problemWith(log), undefined);
  });

  it("finds a request that was carried out twice", () => {
    const log = named(named(groupOf([put("k", "a")], [put("k", "a", 1)]), 1, "r"), 2, "r");
    assert.match(problemWith(log) ?? "", /request r was carried out twice/);
  });

  it("finds a change that replaces another value than the last, and the end of what is not there", () => {
    assert.match(problemWith(groupOf([put("k", "a")], [put("k", "b")])) ?? "", /replaces revision 0/);
    assert.match(problemWith(groupOf([end("expire", "k", 0)])) ?? "", /does not exist/);
  });

  it("finds a batch that was acknowledged and is there in part, or with something else", () => {
    const operation: StoreOperation = {
      kind: "batch",
      compares: [],
      writes: [
        { kind: "put", key: "k", value: "a" },
        { kind: "put", key: "l", value: "b" },
      ],
      result: { revision: 1 },
    };
    const history = [at(0, 9, operation)];
    assert.equal(problemWith(groupOf([put("k", "a"), put("l", "b")]), history), undefined);
    assert.match(problemWith(groupOf([put("k", "a")]), history) ?? "", /nothing for l/);
    assert.match(problemWith(groupOf([put("k", "a"), put("l", "b"), put("m", "c")]), history) ?? "", /put m/);
  });

  it("finds a scan that shows another state than that of its revision", () => {
    const log = groupOf([put("k", "a"), put("l", "b")], [put("k", "c", 1)]);
    const scan = (at: number, value: string, revision: number): StoreOperation => ({
      kind: "scan",
      keys: ["k", "l"],
      result: {
        at,
        found: [
          { key: "k", value, revision },
          { key: "l", value: "b", revision: 1 },
        ],
      },
    });
    assert.equal(problemWith(log, [at(0, 9, scan(2, "c", 2)), at(0, 9, scan(1, "a", 1))]), undefined);
    assert.match(problemWith(log, [at(0, 9, scan(1, "c", 2))]) ?? "", /scan at revision 1/);
  });
});

describe("the check of what goes from a log", () => {
  const first = { epoch: 1, seq: 1, changes: [] };
  const asked = { epoch: 1, seq: 2, changes: [put("k", "a")], requestId: "r" };

  /**
   * Node 2 has followed epoch 1, or also 2, and has a record of epoch 1 that the primary of epoch 2, node 1, has
   * committed; these are in sync by then.
   */
  async function lateCommit({ followed, inSync }: { followed: number; inSync: readonly number[] }) {
    const invariants = new Invariants({ leaseMs: 1, minSync: 1 }, () => 0);
    const [one, two] = await Promise.all(
      [1, 2].map(async (number) => {
        const store = new MemoryLog();
        await store.adopt({ cluster: "c1", group: "g", number });
        const replica = new ShadowLog(`n${number}`, "g");
        invariants.group("g").replicas.add(replica);
        invariants.opened(replica, store);
        await store.append([first, asked]);
        replica.append([first, asked]);
        return { replica, store };
      }),
    );
    assert.ok(one !== undefined && two !== undefined);
    const member = (number: number) => ({ number, incarnation: "a" });
    const state = { epoch: 2, primary: member(1), inSync: inSync.map(member) };
    await one.store.promise(2);
    await two.store.promise(followed);
    invariants.stateChanged("g", state, "n1");
    invariants.committing(one.replica, 2);
    assert.equal(invariants.violation, undefined);
    return { invariants, replica: two.replica };
  }

  const cases = [
    {
      what: "takes an end that a later epoch has committed without it",
      followed: 1,
      inSync: [1],
      problem: false,
    },
    { what: "finds what a member of the in-sync set had", followed: 1, inSync: [1, 2], problem: true },
    {
      what: "finds what was committed in the epoch that it has followed",
      followed: 2,
      inSync: [1],
      problem: true,
    },
  ];
  for (const { what, followed, inSync, problem } of cases) {
    it(`${what}, if it is cut off`, async () => {
      const { invariants, replica } = await lateCommit({ followed, inSync });
      invariants.cutting(replica, 1);
      assert.match(
        invariants.violation ?? "",
        problem ? /n2 cuts off 1\.2 \(put k\), which is committed/ : /^$/,
      );
    });

    it(`${what}, if a copy lacks it or has another`, async () => {
      for (const [changes, told] of [
        [[put("l", "b")], /copy for n2 has/],
        [[], /copy for n2 lacks 1\.2/],
      ] as const) {
        const { invariants, replica } = await lateCommit({ followed, inSync });
        invariants.replacing(replica, 2, [{ epoch: 1, seq: 2, changes }]);
        assert.match(invariants.violation ?? "", problem ? told : /^$/);
      }
    });
  }

  it("finds what its own epoch has committed, though a later one has seen it first", async () => {
    const { invariants, replica } = await lateCommit({ followed: 1, inSync: [1] });
    invariants.committing(replica, 2);
    invariants.cutting(replica, 1);
    assert.match(invariants.violation ?? "", /cuts off/);
  });
});

describe("the check of who enters the in-sync set", () => {
  const records: LogRecord[] = [1, 2, 3].map((seq) => ({ epoch: 1, seq, changes: [put(`k${seq}`, "a")] }));
  const member = (number: number, incarnation: string) => ({ number, incarnation });

  /** Node 1 has committed three records; node 2 has had them, and an old copy of its log, with one, has come back. */
  async function withOldLog() {
    const invariants = new Invariants({ leaseMs: 1, minSync: 1 }, () => 0);
    const group = invariants.group("g");
    const logs = await Promise.all(
      [1, 2].map(async (number) => {
        const store = new MemoryLog();
        const owner = { cluster: "c", group: "g", number };
        await store.adopt(owner);
        const log = new ShadowLog(`n${number}`, "g");
        group.replicas.add(log);
        invariants.opened(log, store);
        return { log, store };
      }),
    );
    const [one, two] = [logs[0] ?? assert.fail(), logs[1] ?? assert.fail()];
    const append = async ({ log, store }: typeof one, some: readonly LogRecord[]) => {
      await store.append(some);
      log.append(some);
    };
    await append(one, records);
    await append(two, records.slice(0, 1));
    const { facts } = two.log;
    await append(two, records.slice(1));
    group.lives.set("a", { log: one.log, spoils: 0 });
    group.lives.set("b", { log: two.log, spoils: 0 });
    const enter = (...inSync: { number: number; incarnation: string }[]) =>
      invariants.stateChanged("g", { epoch: 1, primary: member(1, "a"), inSync }, "n1");
    enter(member(1, "a"));
    invariants.committing(one.log, 3);
    two.log.closed();
    two.log.overwritten(facts);
    const store = new MemoryLog();
    const owner = { cluster: "c", group: "g", number: 2 };
    await store.adopt(owner);
    await store.append(records.slice(0, 1));
    invariants.opened(two.log, store);
    return { invariants, group, enter, append, two: { log: two.log, store } };
  }

  it("finds a life that was begun with an old log, and lacks what is committed", async () => {
    const { invariants, group, enter, two } = await withOldLog();
    group.lives.set("c", { log: two.log, spoils: two.log.spoils });
    enter(member(1, "a"), member(2, "c"));
    assert.match(invariants.violation ?? "", /n2, whose log was lost, enters .* without 1\.3 .*ends at 1/);
  });

  it("takes it for whole again once it has everything", async () => {
    const { invariants, group, enter, append, two } = await withOldLog();
    group.lives.set("c", { log: two.log, spoils: two.log.spoils });
    await append(two, records.slice(1));
    assert.equal(group.isWholeBeside(group.replica(1) ?? assert.fail()), false);
    enter(member(1, "a"), member(2, "c"));
    assert.equal(invariants.violation, undefined);
    assert.equal(two.log.isSpoiled, false);
    assert.equal(group.isWholeBeside(group.replica(1) ?? assert.fail()), true);
  });

  it("finds a floor above what is committed", async () => {
    const { invariants } = await withOldLog();
    invariants.floorSet("g", 3);
    assert.equal(invariants.violation, undefined);
    invariants.floorSet("g", 4);
    assert.match(invariants.violation ?? "", /the floor of group g is record 4, and 3 are committed/);
  });

  it("takes a life that had everything, and has ended with its log", async () => {
    const { invariants, group, enter, two } = await withOldLog();
    enter(member(1, "a"), member(2, "b"));
    assert.equal(invariants.violation, undefined);
    assert.equal(two.log.isSpoiled, true);
    assert.equal(group.isWholeBeside(group.replica(1) ?? assert.fail()), false);
  });
});

describe("a history with what the log tells", () => {
  const unknown: StoreOperation = { kind: "put", key: "k", value: "a", result: undefined };
  const asked = { client: 1, operation: unknown, called: 0.5, returned: undefined };

  it("has the outcome of a write of which nobody was told, from when it was committed", () => {
    const [call, ...more] = withLog([asked], [groupOf([], [put("k", "a")])]);
    assert.deepEqual(call, { ...asked, operation: { ...unknown, result: { revision: 2 } }, returned: 1 });
    assert.deepEqual(more, []);
  });

  it("is without a write that is in no log, unless a log is not known whole", () => {
    const log = groupOf([put("k", "b")]);
    assert.deepEqual(withLog([asked], [log]), []);
    log.committed.unshift(undefined);
    assert.deepEqual(withLog([asked], [log]), [asked]);
  });

  it("has the ends of keys whose time was over", () => {
    const log = groupOf([put("k", "a")], [end("expire", "k", 1)]);
    log.appendedMs.set("1.2", 0.5);
    const operation = { kind: "expire", key: "k", previous: 1, result: { revision: 2 } };
    assert.deepEqual(withLog([], [log]), [{ client: 0, operation, called: 0.5, returned: 1 }]);
  });
});

describe("the checks of when keys expire", () => {
  /** A call during which 10 ms pass, and in its middle the clock jumps. */
  function wallsAround(jumpMs: number): { beforeMs: number; wallsMs: readonly number[] } {
    const trace = new Trace(false);
    const process = new SimProcess("n", 1, 1, new Scheduler(1, trace), trace);
    const beforeMs = process.clock.wallMs();
    const walls = process.watchWall();
    process.jumpWall(jumpMs);
    return { beforeMs, wallsMs: [...walls().slice(0, -1), beforeMs + jumpMs + 10] };
  }

  it("take any time that the clock has shown during the call", () => {
    const { beforeMs, wallsMs } = wallsAround(-1000);
    for (const takenMs of [beforeMs, beforeMs - 1000]) {
      assert.equal(problemWithTime(takenMs + 50, { ttlMs: 50 }, wallsMs), undefined);
    }
    assert.equal(isOverdue({ expiresMs: beforeMs - 999 }, wallsMs), false);
  });

  it("find what is before and after all of them", () => {
    const { beforeMs, wallsMs } = wallsAround(1000);
    assert.match(problemWithTime(beforeMs + 49, { ttlMs: 50 }, wallsMs) ?? "", /too soon/);
    assert.match(problemWithTime(beforeMs + 1062, { ttlMs: 50 }, wallsMs) ?? "", /too late/);
    assert.equal(isOverdue({ expiresMs: beforeMs }, wallsMs), true);
  });
});

describe("the check of a watch", () => {
  const { committed } = groupOf(
    [],
    [put("k", "a"), put("l", "a")],
    [put("k", "b", 2)],
    [end("delete", "l", 2)],
  );
  const all: WatchScope = { kind: "all" };

  function eventsOf(scope: WatchScope, records: readonly (LogRecord | undefined)[]): WatchEvent[] {
    return records.flatMap((record) => {
      const changes = record?.changes.filter(({ key }) => includes(scope, key)) ?? [];
      return changes.map((change) => ({ change, revision: record?.seq ?? 0, previous: undefined }));
    });
  }
  const step = (events: readonly WatchEvent[], seq: number, epoch = 1): ToldStep => ({
    events,
    at: { epoch, seq },
    baseSeq: 0,
  });
  const problem = (told: ToldStep, watched: Partial<Watched> = {}) =>
    problemWithStep(
      committed,
      { scope: all, previous: false, after: { epoch: 0, seq: 0 }, ...watched },
      told,
    );
  const events = eventsOf(all, committed);

  it("takes all changes of its scope in their order, in one step or several", () => {
    assert.equal(problem(step(events, 4)), undefined);
    const scope: WatchScope = { kind: "key", key: "k" };
    assert.equal(problem(step(eventsOf(scope, committed), 4), { scope }), undefined);
    assert.equal(problem(step(events.slice(2), 4), { after: { epoch: 1, seq: 2 } }), undefined);
    assert.equal(problem(step([], 4), { after: { epoch: 1, seq: 4 } }), undefined);
  });

  it("finds what is missed, doubled, out of order, or of no record", () => {
    const [first, second, third, fourth] = events as [WatchEvent, WatchEvent, WatchEvent, WatchEvent];
    assert.match(problem(step(events.slice(0, 3), 4)) ?? "", /without delete l/);
    assert.match(problem(step([first, second, third, third, fourth], 4)) ?? "", /in place of delete l/);
    assert.match(problem(step([second, first, third, fourth], 4)) ?? "", /in place of put k/);
    assert.match(problem(step(events, 3)) ?? "", /and tells of delete l/);
    assert.match(
      problem(step(events, 4), { after: { epoch: 1, seq: 2 } }) ?? "",
      /tells of put k of revision 2/,
    );
  });

  it("finds half of a batch, what is not committed, and another history", () => {
    assert.match(problem(step(events.slice(0, 1), 2)) ?? "", /without put l of revision 2/);
    assert.match(problem(step(events, 5)) ?? "", /4 is committed/);
    assert.match(problem(step(events, 4, 2)) ?? "", /has come to 2\.4/);
    assert.match(problem(step([], 3), { after: { epoch: 1, seq: 4 } }) ?? "", /goes back/);
  });

  it("finds another value before than there was, or none where the log still has it", () => {
    const after = { epoch: 1, seq: 2 };
    const before = (text: string | undefined, baseSeq = 0): ToldStep => {
      const value = text === undefined ? undefined : { value: Buffer.from(text), text: true, revision: 2 };
      const told = events.slice(2).map((event) => ({ ...event, previous: { revision: 2, value } }));
      return { events: told, at: { epoch: 1, seq: 4 }, baseSeq };
    };
    assert.equal(problem(before("a"), { previous: true, after }), undefined);
    assert.equal(problem(before(undefined, 2), { previous: true, after }), undefined);
    assert.match(
      problem(before(undefined), { previous: true, after }) ?? "",
      /without the value of revision 2/,
    );
    assert.match(problem(before("z"), { previous: true, after }) ?? "", /another value/);
    assert.match(problem(step(events.slice(2), 4), { previous: true, after }) ?? "", /not after 2/);
  });
});
