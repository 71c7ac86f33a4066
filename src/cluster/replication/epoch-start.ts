import { type Clock, sleep } from "../../common/clock.ts";
import { invariant } from "../../common/invariant.ts";
import type { ReplicaLog } from "../storage/replica-log.ts";
import { fullRetryMs } from "./disk-diagnostics.ts";

export interface EpochStartOptions {
  readonly epoch: number;
  /** How long the lease of an earlier primary may still last. */
  readonly leaseLeftMs: number;
  readonly store: ReplicaLog;
  readonly clock: Clock;
  /** Aborted when this primary ends. */
  readonly signal: AbortSignal;
  /** Called when no earlier primary can answer reads any more. */
  readonly onLeasesOver: () => void;
  /** Called when the log accepts no records. Also for a full disk. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * What a new primary does before its epoch begins. It waits until every lease that this node may have granted is over.
 * Then it appends the record that begins the epoch, with retries while the disk is full. Returns the seq of that record,
 * or undefined when the primary has ended meanwhile. The commit pipeline commits the record and everything before it.
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
