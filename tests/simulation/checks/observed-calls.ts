import type { WriteRequest } from "../../../src/cluster/kv/write-plan.ts";
import { OperationError } from "../../../src/cluster/metadata/operation-error.ts";
import type { DataNode } from "../../../src/cluster/node/data-node.ts";
import type { KeyRange, StoredValue } from "../../../src/cluster/storage/key-view.ts";
import type { LogStore } from "../../../src/cluster/storage/log-store.ts";
import type { Position } from "../../../src/cluster/storage/model.ts";
import { sleep } from "../../../src/common/clock.ts";
import { compareKeys } from "../../../src/common/key-order.ts";
import type { SimProcess } from "../world/process.ts";
import { count, type World } from "../world/world.ts";
import { isOverdue, problemWithTime } from "./expiry-check.ts";
import { type GroupFacts, liveAt } from "./group-facts.ts";
import { changeOf, type ShadowLog } from "./shadow-log.ts";
import { problemWithStep } from "./watch-check.ts";

/** A step of a scan is of so few, that writes come between. */
const fewKeys = 2;

/** For so long a watch may be told of by a primary that has been replaced. */
const replacedMsMax = 100;

export interface ObservedNode {
  readonly node: DataNode;
  readonly replica: ShadowLog;
  readonly store: LogStore;
  readonly process: SimProcess;
  readonly world: World;
}

/** Lets the invariants see each answer of a data node before it leaves. */
export function observeCalls(observed: ObservedNode): void {
  observeWrites(observed);
  observeReads(observed);
  observeWatches(observed);
}

function observeWrites({ node, process, world }: ObservedNode): void {
  const { calls, group } = node;
  const { delete: remove, write } = calls;
  const { invariants } = world;
  const facts = invariants.group(group);

  calls.write = async (request, signal) => {
    const id = request.requestId?.id ?? "";
    const { firstEpoch } = facts;
    const answered = answeredWith(world, facts, id);
    /** What was answered before may have been given up meanwhile. */
    const before = () => (facts.firstEpoch === firstEpoch ? answered : undefined);
    const wallsMs = process.watchWall();
    try {
      const revision = await write.call(calls, request, signal);
      if (before() !== undefined) count(world, "request answered again");
      if (before() !== undefined && before() !== revision) {
        invariants.violated(
          `request ${id} was answered with revision ${before()}, and then with ${revision}`,
        );
      }
      // What had nothing to change is not remembered.
      const isRecorded = request.operations.some(
        ({ key }) => invariants.recordOf(facts, key, revision)?.requestId === id,
      );
      if (id !== "" && isRecorded) facts.answered.set(id, revision);
      acknowledge(request, revision, wallsMs());
      return revision;
    } catch (error) {
      const code = error instanceof OperationError ? error.code : "";
      if (code === "request-forgotten") count(world, "request forgotten");
      if (code === "condition-failed" && before() !== undefined) {
        invariants.violated(`request ${id} was answered with revision ${before()}, and then refused`);
      }
      throw error;
    }
  };

  const acknowledge = (request: WriteRequest, revision: number, wallsMs: readonly number[]) => {
    // A delete may have found nothing to delete.
    const puts = request.operations.filter((operation) => operation.kind === "put");
    invariants.acknowledging(group, puts, revision);
    for (const { key, ttlMs } of puts) {
      const record = invariants.recordOf(facts, key, revision);
      if (record === undefined) continue;
      const { expiresMs } = changeOf(record, key) ?? {};
      const problem = problemWithTime(expiresMs, { ttlMs, requestId: request.requestId }, wallsMs);
      if (problem !== undefined) invariants.violated(`${process.name} puts ${key}, which is to ${problem}`);
    }
  };

  calls.delete = async (key, signal, options = {}) => {
    const revision = await remove.call(calls, key, signal, options);
    if (options.condition === undefined) invariants.acknowledging(group, [{ kind: "delete", key }], revision);
    return revision;
  };
}

function observeReads({ node, replica, process, world }: ObservedNode): void {
  const { calls, group } = node;
  const { get, getNow, scan } = calls;
  const { clock } = process;
  const { invariants } = world;

  const checkShown = (key: string, value: StoredValue, wallsMs: readonly number[]) => {
    const record = invariants.recordOf(invariants.group(group), key, value.revision);
    const told = record === undefined ? value : (changeOf(record, key) ?? value);
    const shown = `${process.name} shows ${key} of revision ${value.revision}`;
    if (told.expiresMs !== value.expiresMs) invariants.violated(`${shown} with another time to live`);
    if (isOverdue(told, wallsMs)) invariants.violated(`${shown} after its time`);
  };

  calls.get = async (key, signal) => {
    const wallsMs = process.watchWall();
    const value = await get.call(calls, key, signal);
    checkShown(key, value, wallsMs());
    return value;
  };

  calls.getNow = (key) => {
    const wallsMs = process.watchWall();
    const value = getNow.call(calls, key);
    if (value !== undefined) checkShown(key, value, wallsMs());
    return value;
  };

  calls.scan = async (range, signal) => {
    const walls = process.watchWall();
    const reader = await scan.call(calls, range, signal);
    const wallsMs = walls();
    // No time has passed since it was opened.
    invariants.reading(replica, process);
    const shown = new Set<string>();
    const checkWhole = () => {
      if (invariants.ring?.isExact !== true) return;
      const keys = [...liveAt(invariants.group(group).committed, reader.at.seq).keys()];
      const live = keys.filter((key) => isInRange(key, range));
      const problem = invariants.ring.scanned(group, reader.ringVersion, live, shown);
      if (problem !== undefined)
        invariants.violated(`a scan of ${process.name} at ${reader.at.seq} ${problem}`);
    };
    return {
      at: reader.at,
      revision: reader.revision,
      ringVersion: reader.ringVersion,
      close: () => reader.close(),
      nextKeys: (max) => reader.nextKeys(Math.min(max, fewKeys)),
      async nextEntries(step) {
        const entries = await reader.nextEntries({ ...step, keysMax: Math.min(step.keysMax, fewKeys) });
        for (const entry of entries) {
          checkShown(entry.key, entry, wallsMs);
          shown.add(entry.key);
        }
        if (entries.length === 0) checkWhole();
        if (clock.random() < 0.5) await sleep(clock, clock.random() * 50);
        return entries;
      },
    };
  };
}

function observeWatches({ node, store, process, world }: ObservedNode): void {
  const { calls, group } = node;
  const { watch } = calls;
  const { clock } = process;
  const { invariants } = world;
  const facts = invariants.group(group);
  const { committed } = facts;

  calls.watch = async function* (options, signal) {
    const { scope, previous } = options;
    const begun = committed.length;
    const token = options.after;
    let after: Position | undefined =
      token && "epoch" in token ? { epoch: token.epoch, seq: store.seqAt(token.revision) } : undefined;
    /** A client may not know the epoch of its position. */
    const known = ({ seq, epoch }: Position) => ({ seq, epoch: epoch || (committed[seq - 1]?.epoch ?? 0) });
    const violated = (problem: string) =>
      invariants.violated(`${process.name}, watched for ${JSON.stringify(scope)}, ${problem}`);
    let replacedMs: number | undefined;
    for await (const step of watch.call(calls, options, signal)) {
      // What was told in the turn in which another took over may still be on its way.
      replacedMs = node.status().primary ? undefined : (replacedMs ?? clock.monotonicMs());
      if (replacedMs !== undefined && clock.monotonicMs() - replacedMs > replacedMsMax) {
        violated("goes on though another node is the primary");
      }
      if (token === undefined && after === undefined && step.at.seq < begun) {
        violated(`begins at ${step.at.seq}, and ${begun} was committed already`);
      }
      const from = after ?? step.at;
      const isStill = step.at.seq === from.seq && step.at.epoch === from.epoch;
      const told = { ...step, at: isStill ? known(from) : step.at, baseSeq: store.base.seq };
      const problem = problemWithStep(facts, { scope, previous, after: from }, told);
      if (problem !== undefined) violated(problem);
      after = step.at;
      yield step;
    }
  };
}

function isInRange(key: string, { prefix = "", start = "", end, after, reverse }: KeyRange): boolean {
  if (reverse || !key.startsWith(prefix) || compareKeys(key, start) < 0) return false;
  return (
    (end === undefined || compareKeys(key, end) < 0) && (after === undefined || compareKeys(key, after) > 0)
  );
}

/** The revision that a request was answered with, by whatever group. */
function answeredWith({ invariants }: World, facts: GroupFacts, id: string): number | undefined {
  const own = facts.answered.get(id);
  if (own !== undefined || invariants.ring?.isExact !== true) return own;
  for (const { answered } of invariants.groups.values()) {
    const revision = answered.get(id);
    if (revision !== undefined) return revision;
  }
  return undefined;
}
