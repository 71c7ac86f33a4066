import type { LogRecord, LogStore } from "../../src/cluster/log-store.ts";
import type { Invariants } from "./invariants.ts";
import type { SimProcess } from "./process.ts";
import { beginsEpoch, type ShadowLog } from "./shadow-log.ts";

/** Lets the invariants see what a replica does to its log. */
export function observe(
  store: LogStore,
  replica: ShadowLog,
  process: SimProcess,
  invariants: Invariants,
): void {
  const { append, commit, get, truncate, beginCopy, compact } = store;

  store.append = (records) => {
    const [first] = records;
    const done = append.call(store, records);
    if (first?.seq === store.last.seq - records.length + 1) replica.append(records);
    if (first !== undefined && beginsEpoch(first)) invariants.moment("take-over", replica.group);
    return done;
  };
  store.commit = (seq) => {
    invariants.committing(replica, seq);
    commit.call(store, seq);
  };
  store.get = (key) => {
    invariants.reading(replica, process);
    return get.call(store, key);
  };
  store.truncate = async (seq) => {
    if (seq < store.last.seq) invariants.cutting(replica, seq);
    replica.beginCut(seq);
    await truncate.call(store, seq);
    replica.endCut(seq);
  };
  store.beginCopy = async (head) => {
    const { base } = head;
    const writer = await beginCopy.call(store, head);
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
