import type { LogStore } from "../../../src/cluster/storage/log-store.ts";
import type { LogRecord, MoveMark } from "../../../src/cluster/storage/model.ts";
import type { SimProcess } from "../world/process.ts";
import type { World } from "../world/world.ts";
import { earlyExpiry } from "./expiry-check.ts";
import type { MoveMoment } from "./invariants.ts";
import { beginsEpoch, isSame, nameOf, type ShadowLog } from "./shadow-log.ts";

/** Lets the invariants see what a replica does to its log. */
export function observe(
  store: LogStore,
  replica: ShadowLog,
  process: SimProcess,
  { invariants, scheduler }: Pick<World, "invariants" | "scheduler">,
): void {
  const { append, commit, get, getNow, onVisible, truncate, beginSnapshot, compact, beginLife } = store;
  const group = invariants.group(replica.group);
  /** What watchers are told of is committed, whoever else may serve by now. */
  let isTelling = false;

  store.append = (records) => {
    const [first] = records;
    for (const record of records) {
      const name = nameOf(record);
      if (group.appendedMs.has(name)) continue;
      // It is new, so that this is its primary.
      group.appendedMs.set(name, scheduler.nowMs);
      const early = earlyExpiry(record, group.committed, replica, process.clock.wallMs());
      if (early !== undefined) invariants.violated(`${replica.name} ${early}`);
      if (record.move !== undefined) invariants.moment(momentOf(record.move), replica.group);
    }
    const done = append.call(store, records);
    if (first?.seq === store.last.seq - records.length + 1) replica.append(records);
    if (first !== undefined && beginsEpoch(first)) invariants.moment("take-over", replica.group);
    return done;
  };
  store.onEnd({
    written() {},
    withdrawn(afterSeq) {
      for (const record of replica.withdraw(afterSeq)) {
        // Of its primary: nobody else has ever had it, and another record may come in its place.
        const isGone = [...group.replicas].every(({ records }) => !isSame(records.get(record.seq), record));
        if (isGone) group.appendedMs.delete(nameOf(record));
      }
      invariants.moment("full", replica.group);
    },
  });
  store.commit = (seq) => {
    invariants.committing(replica, seq);
    for (let at = group.committedMs.length; at < group.committed.length; at++)
      group.committedMs.push(scheduler.nowMs);
    commit.call(store, seq);
  };
  store.get = (key) => {
    if (!isTelling) invariants.reading(replica, process, key);
    return get.call(store, key);
  };
  store.getNow = (key) => {
    invariants.reading(replica, process, key);
    return getNow.call(store, key);
  };
  store.onVisible = (listener) =>
    onVisible.call(store, (record) => {
      isTelling = true;
      try {
        listener(record);
      } finally {
        isTelling = false;
      }
    });
  store.beginLife = async (incarnation) => {
    await beginLife.call(store, incarnation);
    replica.life = BigInt(incarnation);
  };
  store.truncate = async (seq) => {
    if (seq < store.last.seq) invariants.cutting(replica, seq);
    replica.beginCut(seq);
    await truncate.call(store, seq);
    replica.endCut(seq);
  };
  store.beginSnapshot = async (head) => {
    const { base } = head;
    const writer = await beginSnapshot.call(store, head);
    const copied: LogRecord[] = [];
    invariants.moment("copy", replica.group);
    return {
      abort: () => writer.abort(),
      async write(records) {
        copied.push(...records);
        await writer.write(records);
      },
      async finish() {
        invariants.replacing(replica, base.seq, copied);
        replica.beginReplacement(base.seq);
        await writer.finish();
        replica.endReplacement(base.seq);
      },
    };
  };
  store.compact = () => {
    invariants.moment("compaction", replica.group);
    return compact.call(store);
  };
}

/** What a mark in a log means for those who aim at a step of a move. */
function momentOf({ kind }: MoveMark): MoveMoment {
  switch (kind) {
    case "copy":
      return "copied";
    case "release":
      return "released";
    default:
      return kind;
  }
}
