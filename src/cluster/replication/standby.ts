import type { Clock } from "../../common/clock.ts";
import { invariant } from "../../common/invariant.ts";
import { refused } from "../metadata/operation-error.ts";
import { epochAt, holds } from "../storage/format/history.ts";
import type { ReplicaLog, SnapshotWriter } from "../storage/replica-log.ts";
import { isFull } from "./disk-diagnostics.ts";
import type { AppendRequest, AppendResponse, SnapshotChunk } from "./peer.ts";
import { clockDriftMax, flightMessagesMax } from "./settings.ts";

/** Maximum number of waiting messages: those of a primary, and as many of one that has just been replaced. */
const waitingMax = 2 * flightMessagesMax;

export interface StandbyOptions {
  readonly store: ReplicaLog;
  readonly clock: Clock;
  /** The lease that an earlier process with this log may have granted just before it ended. */
  readonly leaseMs: number;
  /** Whether the group's state is known to have this primary of this epoch, and this replica not in sync. */
  readonly isOutside: (epoch: number, primary: number) => boolean;
}

/** Something has begun that ends when the disk has written. In an object, because it is not waited for at once. */
interface Begun<T> {
  readonly onDisk: Promise<T>;
}

/**
 * The receiving side of replication: it makes this node's log the same as the primary's. Messages change the log one after
 * another, so that each one sees the log as the one before left it. They wait for the disk together, so that it writes and
 * syncs the records of all of them at once.
 */
export class Standby {
  readonly #store: ReplicaLog;
  readonly #clock: Clock;
  readonly #isOutside: StandbyOptions["isOutside"];
  #turn: Promise<unknown> = Promise.resolve();
  /** Messages that are handled now or waiting. */
  #messages = 0;
  #snapshot:
    | { epoch: number; primary: number; snapshotId: number; next: number; writer: SnapshotWriter }
    | undefined;
  /** Committed records have been given up: a snapshot is to take their place. */
  #isOverruled = false;
  #heardMs = Number.NEGATIVE_INFINITY;
  /** The end of the last lease that this node has granted, monotonic. */
  #leasedUntilMs: number;

  constructor({ store, clock, leaseMs, isOutside }: StandbyOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#isOutside = isOutside;
    this.#leasedUntilMs = clock.monotonicMs() + leaseMs * (1 + clockDriftMax);
  }

  /**
   * When the last message of a primary came, monotonic. It is now while this node has a message to answer, for example
   * because its own disk hangs: then the primary is not silent.
   */
  get heardMs(): number {
    return this.#messages > 0 ? this.#clock.monotonicMs() : this.#heardMs;
  }

  /** Milliseconds that must pass before this node may serve as primary. */
  get leaseLeftMs(): number {
    return Math.max(0, this.#leasedUntilMs - this.#clock.monotonicMs());
  }

  /** Handles one message. Errors: refused (too many messages wait for the disk); those of the disk. */
  async append(request: AppendRequest): Promise<AppendResponse> {
    if (this.#messages >= waitingMax) {
      throw refused(`${this.#messages} messages wait for the disk of this node already`);
    }
    this.#messages++;
    try {
      // In its turn the message only changes the log, and begins what it then waits for.
      const answer = await this.#inTurn(() => this.#append(request));
      return await answer.onDisk;
    } catch (error) {
      if (isFull(error)) return this.#answer("full");
      // Its records were dropped for those of a later epoch before they were on disk.
      if (request.epoch < this.#store.promisedEpoch) return this.#answer("stale-epoch");
      throw error;
    } finally {
      this.#messages--;
    }
  }

  /** Promises durably to follow no epoch below `epoch`, of which this node is to be the primary, in order with the messages. */
  promise(epoch: number): Promise<void> {
    return this.#inTurn(async () => {
      // Nobody will send the rest of a snapshot that `kvlab recover` has cut short.
      await this.#endSnapshot();
      await this.#store.promise(epoch);
    });
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(action);
    this.#turn = result.catch(() => {});
    return result;
  }

  async #append(request: AppendRequest): Promise<Begun<AppendResponse>> {
    const store = this.#store;
    if (request.epoch < store.promisedEpoch) return this.#now("stale-epoch");
    this.#heardMs = this.#clock.monotonicMs();
    const leasedUntilMs = this.#heardMs + request.leaseMs * (1 + clockDriftMax);
    this.#leasedUntilMs = Math.max(this.#leasedUntilMs, leasedUntilMs);
    await store.promise(request.epoch);
    if (request.snapshot !== undefined) return this.#now(await this.#takeSnapshot(request, request.snapshot));
    // The primary has abandoned its snapshot.
    await this.#endSnapshot();
    if (this.#needsSnapshot || request.previous.seq < store.base.seq || !holds(store, request.previous)) {
      return this.#now("mismatch");
    }
    const taken = await this.#takeRecords(request);
    if (taken === undefined) return this.#now("mismatch");
    return { onDisk: taken.onDisk.then(() => this.#acknowledge(request)) };
  }

  /** Answers a message whose records are on disk. */
  #acknowledge({ epoch, previous, records, committedSeq }: AppendRequest): AppendResponse {
    const store = this.#store;
    // What was promised since forbids it. The records may already be gone.
    if (epoch < store.promisedEpoch) return this.#answer("stale-epoch");
    const seq = previous.seq + records.length;
    invariant(store.durable.seq >= seq, () => `record ${seq} is acknowledged before it is on disk`);
    const committed = Math.min(committedSeq, seq);
    if (committed > store.committedSeq) store.commit(committed);
    return this.#answer("ok");
  }

  /**
   * Appends the records that the log lacks, in place of records of other epochs. Undefined when that would cut off
   * committed records that have been given up: `kvlab recover` has begun another history, which has to come as a snapshot.
   */
  async #takeRecords({ epoch, primary, records }: AppendRequest): Promise<Begun<void> | undefined> {
    const store = this.#store;
    const first = records.findIndex(
      (record) => record.seq > store.last.seq || epochAt(store.epochs, record.seq) !== record.epoch,
    );
    if (first !== -1) {
      const fresh = records.slice(first);
      const before = (fresh[0]?.seq ?? 1) - 1;
      if (before < store.last.seq) {
        if (before < store.committedSeq && this.#isOutside(epoch, primary)) {
          this.#isOverruled = true;
          return undefined;
        }
        if (before < store.committedSeq) {
          throw refused(`a primary would cut off committed records from seq ${before + 1} on`);
        }
        await store.truncate(before);
      }
      return { onDisk: store.append(fresh) };
    }
    // The log has all of them, but perhaps not on disk yet. An empty append waits for those before it.
    const isOnDisk = store.durable.seq >= store.last.seq;
    return { onDisk: isOnDisk ? Promise.resolve() : store.append([]) };
  }

  async #takeSnapshot(request: AppendRequest, chunk: SnapshotChunk): Promise<"ok" | "mismatch"> {
    if (chunk.index === 0) {
      await this.#endSnapshot();
      // It was sent on a stream that has broken since, and comes late: what this log has got meanwhile is not in it.
      if (!this.#needsSnapshot && holds(this.#store, chunk.base)) return "mismatch";
      const writer = await this.#store.beginSnapshot(chunk);
      this.#snapshot = {
        epoch: request.epoch,
        primary: request.primary,
        snapshotId: chunk.snapshotId,
        next: 0,
        writer,
      };
    }
    const snapshot = this.#snapshot;
    const expected =
      snapshot?.epoch === request.epoch &&
      snapshot.primary === request.primary &&
      snapshot.snapshotId === chunk.snapshotId &&
      snapshot.next === chunk.index;
    if (snapshot === undefined || !expected) return "mismatch";
    await snapshot.writer.write(request.records);
    snapshot.next++;
    if (chunk.last) {
      this.#snapshot = undefined;
      await snapshot.writer.finish();
      this.#isOverruled = false;
    }
    return "ok";
  }

  /** An open writer would keep the log from being compacted. */
  async #endSnapshot(): Promise<void> {
    await this.#snapshot?.writer.abort();
    this.#snapshot = undefined;
  }

  /** Whether records may be missing anywhere in the log. */
  get #needsSnapshot(): boolean {
    const { condition, identity } = this.#store;
    return condition.kind === "damaged" || identity?.repaired === true || this.#isOverruled;
  }

  /** An answer for which the disk is not waited for. */
  #now(result: AppendResponse["result"]): Begun<AppendResponse> {
    return { onDisk: Promise.resolve(this.#answer(result)) };
  }

  #answer(result: AppendResponse["result"]): AppendResponse {
    const { promisedEpoch, durable, base, epochs } = this.#store;
    return {
      result,
      epoch: promisedEpoch,
      last: durable,
      base,
      // There may be thousands. No primary, also of earlier versions, looks at them where its records fit.
      epochs: result === "ok" ? [] : epochs,
      needsSnapshot: this.#needsSnapshot,
    };
  }
}
