import type { WriteOperation } from "../../../src/cluster/kv/write-plan.ts";
import type { DataNode } from "../../../src/cluster/node/data-node.ts";
import type { StoredValue } from "../../../src/cluster/storage/key-view.ts";
import type { LogStore } from "../../../src/cluster/storage/log-store.ts";
import { sleep } from "../../../src/common/clock.ts";
import { answering } from "../../../src/rpc/errors.ts";
import { isOverdue, problemWithTime } from "../checks/expiry-check.ts";
import type { Invariants } from "../checks/invariants.ts";
import { changeOf } from "../checks/shadow-log.ts";
import { withDeadline } from "../clients/deadline.ts";
import { OpenWatches } from "../clients/open-watches.ts";
import type { SimProcess } from "./process.ts";
import type { GroupServices, KeyServices, Scanned, Services } from "./services.ts";

export interface KeyServicesOptions {
  readonly node: DataNode;
  readonly store: LogStore;
  readonly process: SimProcess;
  readonly invariants: Invariants;
}

/** What a data node answers to clients; each answer is looked at before it leaves. */
export function keyServices({
  node,
  store,
  process,
  invariants,
}: KeyServicesOptions): KeyServices & Pick<Services, "group"> {
  const { group, calls } = node;
  const { clock } = process;
  const answer = <T>(caller: AbortSignal, call: (signal: AbortSignal) => Promise<T>) =>
    answering(() => withDeadline(clock, caller, call), group);
  /** Acknowledges writes, of which deletes may have found nothing. */
  const writing = (
    caller: AbortSignal,
    writes: readonly Pick<WriteOperation, "kind" | "key">[],
    call: (signal: AbortSignal) => Promise<number>,
  ) =>
    answer(caller, async (signal) => {
      const revision = await call(signal);
      invariants.acknowledging(group, writes, revision);
      return revision;
    });
  const checkShown = (key: string, value: StoredValue, wallsMs: readonly number[]) => {
    const record = invariants.group(group).committed[value.revision - 1];
    const told = record === undefined ? value : (changeOf(record, key) ?? value);
    if (told.expiresMs !== value.expiresMs) {
      invariants.violated(
        `${process.name} shows ${key} of revision ${value.revision} with another time to live`,
      );
    }
    if (!isOverdue(told, wallsMs)) return;
    invariants.violated(`${process.name} shows ${key} of revision ${value.revision} after its time`);
  };
  return {
    get: (key, caller) =>
      answer(caller, async (signal) => {
        const wallsMs = process.watchWall();
        const value = await calls.get(key, signal);
        checkShown(key, value, wallsMs());
        return value;
      }),
    put: (key, value, options, caller) =>
      writing(caller, [{ kind: "put", key }], async (signal) => {
        const wallsMs = process.watchWall();
        const revision = await calls.put(key, value, true, signal, options);
        const { expiresMs } = changeOf(invariants.group(group).committed[revision - 1], key) ?? {};
        const problem = problemWithTime(expiresMs, options, wallsMs());
        if (problem !== undefined) invariants.violated(`${process.name} puts ${key}, which is to ${problem}`);
        return revision;
      }),
    delete: (key, options, caller) => {
      // With a condition it may have had nothing to delete.
      const writes = options.condition === undefined ? [{ kind: "delete" as const, key }] : [];
      return writing(caller, writes, (signal) => calls.delete(key, signal, options));
    },
    write: (request, caller) => {
      const puts = request.operations.filter(({ kind }) => kind === "put");
      return writing(caller, puts, (signal) => calls.write(request, signal));
    },
    group: groupServices(node, store, process, answer, checkShown),
  };
}

function groupServices(
  { calls, group }: DataNode,
  store: LogStore,
  process: SimProcess,
  answer: <T>(caller: AbortSignal, call: (signal: AbortSignal) => Promise<T>) => Promise<T>,
  checkShown: (key: string, value: StoredValue, wallsMs: readonly number[]) => void,
): GroupServices {
  const { clock } = process;
  const watches = new OpenWatches(clock, () => store.base.seq);
  return {
    scan: (range, caller) =>
      answer(caller, async (signal) => {
        const walls = process.watchWall();
        const reader = await calls.scan(range, signal);
        const wallsMs = walls();
        try {
          const found: Scanned[] = [];
          // So few at a time that writes come between.
          for (let keys = reader.next(2); keys.length > 0; keys = reader.next(2)) {
            if (clock.random() < 0.3) await sleep(clock, clock.random() * 50, signal);
            for (const each of keys) {
              const value = await each.value();
              const { key } = each;
              checkShown(key, value, wallsMs);
              found.push({ key, ...value });
            }
          }
          return { at: reader.at, found };
        } finally {
          await reader.close();
        }
      }),
    watch: (options, caller) =>
      answering(() => watches.open((signal) => calls.watch(options, signal), caller), group),
    nextOf: (watch) => answering(() => watches.next(watch), group),
  };
}
