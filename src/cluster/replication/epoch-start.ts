import { type Clock, sleep } from "../../common/clock.ts";
import { invariant } from "../../common/invariant.ts";
import type { ReplicaLog } from "../storage/replica-log.ts";
import { fullRetryMs } from "./disk-diagnostics.ts";

export interface EpochStartOptions {
  readonly epoch: number;
  /** How long an earlier primary may still rely on this node. */
  readonly leaseLeftMs: number;
  readonly store: ReplicaLog;
  readonly clock: Clock;
  /** Aborted when this primary ends. */
  readonly signal: AbortSignal;
  /** No earlier primary answers reads any more. */
  readonly onLeasesOver: () => void;
  /** The log takes nothing any more; called for a full disk, too. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * What a new primary does before its epoch begins: it waits until every lease that an earlier primary may have of this
 * node is over, and appends the record that begins the epoch, until there is room for it. Returns the seq of that record;
 * undefined when the primary has ended meanwhile. The commit pipeline commits the record, and everything before it.
 */
export async function startEpoch(options: EpochStartOptions): Promise<number | undefined> {
  const { epoch, leaseLeftMs, store, clock, signal, onLeasesOver, onFailure } = options;
  if (leaseLeftMs > 0) await sleep(clock, leaseLeftMs, signal);
  if (signal.aborted) return undefined;
  onLeasesOver();
  while (!signal.aborted) {
    try {
      invariant(store.last.epoch < epoch, () => `epoch ${epoch} begins after epoch ${store.last.epoch}`);
      invariant(
        store.promisedEpoch === epoch,
        () => `epoch ${epoch} begins, and ${store.promisedEpoch} is promised`,
      );
      const seq = store.last.seq + 1;
      await store.append([{ epoch, seq, changes: [] }]);
      return signal.aborted ? undefined : seq;
    } catch (error) {
      onFailure(error);
      await sleep(clock, fullRetryMs, signal);
    }
  }
  return undefined;
}
