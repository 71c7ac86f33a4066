import { type Clock, sleep, withTimeout } from "../../common/clock.ts";
import { explain } from "../metadata/diagnostics.ts";
import type { Member, NodeView } from "../metadata/model.ts";
import { commonSeq, epochAt } from "../storage/format/history.ts";
import type { LogRecord } from "../storage/model.ts";
import type { ReplicaLog, SnapshotHead, SnapshotReader } from "../storage/replica-log.ts";
import { fullRetryMs } from "./disk-diagnostics.ts";
import { type Moment, momentOf } from "./lease.ts";
import type { AppendRequest, AppendResponse, Peer, SnapshotChunk } from "./peer.ts";
import { batchBytesMax, heartbeatMs, peerTimeoutMs, type ReplicationSettings } from "./settings.ts";

/** Pause after a standby could not be reached. */
const retryMs = 100;

/** Longest pause before a standby whose disk is full is sent records again: it may be a whole copy in vain. */
const fullPauseMsMax = 10_000;

/** A reason why a standby cannot be fed is told no sooner than this after another. */
const tellAgainMs = 60_000;

/** What a replicator needs of its primary. */
export interface ReplicatorContext {
  readonly group: string;
  readonly epoch: number;
  readonly self: number;
  readonly store: ReplicaLog;
  readonly clock: Clock;
  readonly settings: ReplicationSettings;
  committedSeq(): number;
  /** The standby has acknowledged something, if only a heartbeat. */
  onAck(replicator: Replicator): void;
  /** The standby follows a later epoch. */
  onStale(epoch: number): void;
  readonly log: (message: string) => void;
}

/** Keeps one standby in step: finds where its log continues, then sends it everything, one message at a time. */
export class Replicator {
  readonly member: Member;
  /** The standby has everything up to here on disk. */
  ackedSeq = 0;
  /** When the last message that the standby acknowledged was sent; the lease runs from here. */
  ackedSent: Moment | undefined;
  /** When it last acknowledged records, or that it has all of them; monotonic. */
  progressMs: number | undefined;
  /** Whether its disk had no room when records were last sent. */
  isFull = false;

  readonly #context: ReplicatorContext;
  readonly #peer: Peer;
  readonly #stopped = new AbortController();
  /** Cuts the wait for new records short. */
  #wake: (() => void) | undefined;
  #copyId = 0;
  /** Only heartbeats are sent before: there was no room for what was sent last. */
  #fullUntilMs = Number.NEGATIVE_INFINITY;
  #fullPauseMs = fullRetryMs;
  readonly #name: string;
  /** Nothing has been acknowledged since, monotonic; undefined while nothing has failed. */
  #failingSinceMs: number | undefined;
  /** The last reason that was told of such a time. */
  #told: { readonly reason: string; readonly ms: number } | undefined;

  constructor(node: NodeView, peer: Peer, context: ReplicatorContext) {
    this.member = { number: node.number, incarnation: node.incarnation };
    this.#name = `node ${node.number} at ${node.address}`;
    this.#peer = peer;
    this.#context = context;
    void this.#run();
  }

  /** There is something to send: new records, or a heartbeat that somebody waits for. */
  wake(): void {
    this.#wake?.();
  }

  stop(): void {
    this.#stopped.abort(new Error("replication to this standby has ended"));
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    // The seq up to which the standby's log is known to be the same as ours.
    let matched: number | undefined;
    while (!signal.aborted) {
      try {
        matched = matched === undefined ? await this.#findMatch() : await this.#sendNext(matched);
      } catch (error) {
        matched = undefined;
        this.#failed(error);
        await sleep(this.#context.clock, retryMs, signal);
      }
    }
  }

  /** Tells why the standby has not been fed for a while: it may be that nobody but this primary can know. */
  #failed(error: unknown): void {
    const { clock, settings, log } = this.#context;
    if (this.#stopped.signal.aborted) return;
    const nowMs = clock.monotonicMs();
    const reason = explain(error);
    this.#failingSinceMs ??= nowMs;
    if (nowMs - this.#failingSinceMs < settings.standbyTimeoutMs) return;
    if (reason === this.#told?.reason || nowMs - (this.#told?.ms ?? -tellAgainMs) < tellAgainMs) return;
    this.#told = { reason, ms: nowMs };
    log(`${this.#name} cannot be fed: ${reason}`);
  }

  /** Asks the standby where its log stands. A copy is made when our log does not reach back to there. */
  async #findMatch(): Promise<number | undefined> {
    const { store } = this.#context;
    const { written } = store;
    const response = await this.#send(written.seq, []);
    if (response === undefined) return undefined;
    if (response.result === "ok") return written.seq;
    const common = commonSeq(store, response);
    const reachable = common >= store.base.seq && common >= response.base.seq;
    if (reachable && !response.needsCopy) return common;
    if (!this.#waitsForRoom) return await this.#sendSnapshot();
    await this.#idle();
    return undefined;
  }

  get #waitsForRoom(): boolean {
    return this.#context.clock.monotonicMs() < this.#fullUntilMs;
  }

  /** Sends what comes after `matched`, or a heartbeat when nothing came for its time. */
  async #sendNext(matched: number): Promise<number | undefined> {
    const { store } = this.#context;
    const waitsForRoom = this.#waitsForRoom;
    if (waitsForRoom || (store.written.seq === matched && this.ackedSeq === matched)) await this.#idle();
    if (this.#stopped.signal.aborted) return matched;
    const records = waitsForRoom ? [] : await store.read(matched, batchBytesMax);
    // Compaction has passed the standby.
    if (records === undefined) return await this.#sendSnapshot();
    const response = await this.#send(matched, records);
    if (response?.result === "full") return matched;
    return response?.result === "ok" ? matched + records.length : undefined;
  }

  /** Until there are new records, or a heartbeat is due. */
  #idle(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        this.#wake = undefined;
        resolve();
      };
      const cancel = this.#context.clock.timer(heartbeatMs(this.#context.settings), done);
      this.#wake = done;
    });
  }

  /** Sends the whole log. Returns where the standby stands afterwards. */
  async #sendSnapshot(): Promise<number | undefined> {
    const reader = await this.#context.store.openSnapshot();
    try {
      this.#copyId++;
      for (let index = 0; ; index++) {
        const records = await reader.next(batchBytesMax);
        const chunk = { copyId: this.#copyId, index, last: records.length === 0, ...headOf(reader) };
        const response = await this.#send(reader.base.seq, records, chunk);
        if (response?.result !== "ok") return undefined;
        if (chunk.last) return reader.base.seq;
      }
    } finally {
      await reader.close();
    }
  }

  /** Undefined when the standby has shown that this primary is over. */
  async #send(
    previousSeq: number,
    records: readonly LogRecord[],
    copy?: SnapshotChunk,
  ): Promise<AppendResponse | undefined> {
    const { clock, store, settings } = this.#context;
    const request: AppendRequest = {
      group: this.#context.group,
      epoch: this.#context.epoch,
      primary: this.#context.self,
      target: this.member.number,
      incarnation: this.member.incarnation,
      previous: { epoch: epochAt(store.epochs, previousSeq), seq: previousSeq },
      records,
      committedSeq: this.#context.committedSeq(),
      leaseMs: settings.leaseMs,
      ...(copy === undefined ? {} : { copy }),
    };
    const sent = momentOf(clock);
    const response = await withTimeout(clock, peerTimeoutMs, this.#stopped.signal, (signal) =>
      this.#peer.append(request, signal),
    );
    if (this.#stopped.signal.aborted) return undefined;
    if (response.result === "stale-epoch") {
      this.#context.onStale(response.epoch);
      return undefined;
    }
    this.ackedSent = sent;
    if (this.#told !== undefined) this.#context.log(`${this.#name} can be fed again`);
    this.#failingSinceMs = undefined;
    this.#told = undefined;
    if (response.result === "ok" && (copy === undefined || copy.last)) {
      this.ackedSeq = previousSeq + (copy === undefined ? records.length : 0);
    }
    this.#notePace(response, records.length > 0 || copy !== undefined);
    this.#context.onAck(this);
    return response;
  }

  /** Takes note of whether the standby keeps up; a heartbeat alone does not show that. */
  #notePace({ result }: AppendResponse, hadRecords: boolean): void {
    const { clock, store } = this.#context;
    const nowMs = clock.monotonicMs();
    if (result === "full") {
      this.isFull = true;
      this.#fullUntilMs = nowMs + this.#fullPauseMs;
      this.#fullPauseMs = Math.min(2 * this.#fullPauseMs, fullPauseMsMax);
    } else if (result === "ok" && hadRecords) {
      this.isFull = false;
      this.#fullPauseMs = fullRetryMs;
    }
    if (result === "ok" && (hadRecords || this.ackedSeq >= store.written.seq)) this.progressMs = nowMs;
  }
}

function headOf(reader: SnapshotReader): SnapshotHead {
  return { base: reader.base, epochs: reader.epochs, requestsAfter: reader.requestsAfter };
}
