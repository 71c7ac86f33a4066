import type { LogRecord } from "../../../src/cluster/storage/model.ts";
import { WatchHub } from "../../../src/cluster/watch/hub.ts";
import type { WatchStep } from "../../../src/cluster/watch/step.ts";
import type { WatchOptions } from "../../../src/cluster/watch/watcher.ts";
import { openOn } from "../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const all: WatchOptions = { scope: { kind: "all" }, after: undefined, previous: false };

/** A log that compaction leaves as it is, the watches on it, and a way to write to it. */
export async function watchedLog({ historyBytes = 1e9 } = {}) {
  const clock = new VirtualClock();
  const store = await openOn(new SimulatedDisk(), { clock, historyBytes });
  const failures: unknown[] = [];
  const hub = new WatchHub(store, clock, (error) => failures.push(error));
  const write = async (...records: LogRecord[]) => {
    await store.append(records);
    store.commit(store.last.seq);
  };
  const end = new AbortController();
  const watch = (options: Partial<WatchOptions> = {}) => hub.watch({ ...all, ...options }, end.signal);
  return { store, clock, hub, write, watch, end, failures };
}

type Watch = AsyncGenerator<WatchStep, void, void>;

export async function stepOf(watch: Watch): Promise<WatchStep> {
  const { value, done } = await watch.next();
  if (done || value === undefined) throw new Error("the watch has ended");
  return value;
}

/** The next events as short texts, until `count` have come. */
export async function eventsOf(watch: Watch, count: number): Promise<string[]> {
  const shown: string[] = [];
  while (shown.length < count) {
    for (const { change, revision, previous } of (await stepOf(watch)).events) {
      const { kind, key, value } = change;
      const before = previous?.value === undefined ? "" : ` was ${Buffer.from(previous.value.value)}`;
      const lost = previous !== undefined && previous.value === undefined ? " was lost" : "";
      shown.push(`${revision} ${kind} ${key} ${Buffer.from(value)}`.trimEnd() + before + lost);
    }
  }
  return shown;
}
