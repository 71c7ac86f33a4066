import { type Clock, sleep, withTimeout } from "../../common/clock.ts";
import { InvariantError } from "../../common/invariant.ts";
import { explain } from "../metadata/diagnostics.ts";
import type { Member, NodeView } from "../metadata/model.ts";
import { commonSeq, epochAt } from "../storage/format/history.ts";
import type { LogRecord } from "../storage/model.ts";
import type { ReplicaLog } from "../storage/replica-log.ts";
import { momentOf } from "./lease.ts";
import type { AppendRequest, AppendResponse, Peer, SnapshotChunk } from "./peer.ts";
import { Progress } from "./progress.ts";
import { batchBytesMax, heartbeatMs, peerTimeoutMs, type ReplicationSettings } from "./settings.ts";

/** Pause after a standby could not be reached. */
const retryMs = 100;

/** Least time between two log messages about why a standby cannot be reached. */
const tellAgainMs = 60_000;

/** What a replicator needs from its primary. */
export interface ReplicatorContext {
  readonly group: string;
  readonly epoch: number;
  readonly self: number;
  readonly store: ReplicaLog;
  readonly clock: Clock;
  readonly settings: ReplicationSettings;
  committedSeq(): number;
  /** Called for each answer of the standby, also to a heartbeat. */
  onAck(replicator: Replicator): void;
  /** Called when the standby follows a later epoch. */
  onStale(epoch: number): void;
  /** Called when an invariant is broken: the process must end. */
  onFailure(error: unknown): void;
  readonly log: (message: string) => void;
}

/**
 * Replicates to one standby. It finds the last record that both logs share, and sends everything after it, one message at
 * a time. The state of its `progress` decides what it does next.
 */
export class Replicator {
  readonly member: Member;
  readonly progress = new Progress();
  readonly #context: ReplicatorContext;
  readonly #peer: Peer;
  readonly #stopped = new AbortController();
  /** Ends the wait for new records. */
  #wake: (() => void) | undefined;
  #snapshotId = 0;
  readonly #name: string;
  /** Since when every attempt has failed, monotonic. Undefined while attempts succeed. */
  #failingSinceMs: number | undefined;
  /** The last reason that was logged for it. */
  #told: { readonly reason: string; readonly ms: number } | undefined;

  constructor(node: NodeView, peer: Peer, context: ReplicatorContext) {
    this.member = { number: node.number, incarnation: node.incarnation };
    this.#name = `node ${node.number} at ${node.address}`;
    this.#peer = peer;
    this.#context = context;
    void this.#run();
  }

  /** Call it when there is something to send: new records, or a heartbeat that a read waits for. */
  wake(): void {
    this.#wake?.();
  }

  stop(): void {
    this.#stopped.abort(new Error("replication to this standby has ended"));
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        await this.#step();
      } catch (error) {
        if (error instanceof InvariantError) this.#context.onFailure(error);
        this.#failed(error);
        await sleep(this.#context.clock, retryMs, signal);
      }
    }
  }

  async #step(): Promise<void> {
    const { state } = this.progress;
    switch (state.kind) {
      case "probe":
      // A snapshot that was cut short: the standby says what it has now.
      case "snapshot":
        if (!(await this.#probe(this.#context.store.written.seq))) await this.#sendSnapshot();
        break;
      case "replicate":
        await this.#sendNext(state.matchedSeq);
        break;
      case "paused":
        await this.#idle();
        if (this.progress.resume(this.#context.clock.monotonicMs())) break;
        await this.#probe(state.matchedSeq ?? this.#context.store.written.seq);
    }
  }

  /** Asks the standby whether it has the record `seq` and all before it. Returns false when only a snapshot helps. */
  async #probe(seq: number): Promise<boolean> {
    const { store } = this.#context;
    const response = await this.#send(seq, []);
    if (response?.result === "ok") this.progress.matched(seq);
    if (response?.result !== "mismatch") return true;
    const common = commonSeq(store, response);
    const isReachable = common >= store.base.seq && common >= response.base.seq;
    if (isReachable && !response.needsSnapshot) this.progress.matched(common);
    else this.progress.lost();
    return this.progress.state.kind !== "probe";
  }

  /** Sends the records after `matchedSeq`. Without any it waits for some, and then sends a heartbeat. */
  async #sendNext(matchedSeq: number): Promise<void> {
    const { store } = this.#context;
    if (store.written.seq === matchedSeq && this.progress.ackedSeq === matchedSeq) await this.#idle();
    if (this.#stopped.signal.aborted) return;
    const records = await store.read(matchedSeq, batchBytesMax);
    // Compaction has removed the records that the standby lacks.
    if (records === undefined) return await this.#sendSnapshot();
    const response = await this.#send(matchedSeq, records);
    if (response?.result === "ok") this.progress.matched(matchedSeq + records.length);
    else if (response?.result === "mismatch") this.progress.lost();
  }

  /** Waits until there are new records, or a heartbeat is due. */
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

  /** Sends all live records of the log. */
  async #sendSnapshot(): Promise<void> {
    const reader = await this.#context.store.openSnapshot();
    const { base, epochs, requestsAfter } = reader;
    const snapshotId = ++this.#snapshotId;
    try {
      this.progress.snapshot(0, base.seq);
      for (let index = 0; ; index++) {
        const records = await reader.next(batchBytesMax);
        const last = records.length === 0;
        const chunk = { snapshotId, index, last, base, epochs, requestsAfter };
        const response = await this.#send(base.seq, records, chunk);
        if (response?.result === "ok" && last) return this.progress.matched(base.seq);
        if (response?.result === "mismatch") this.progress.lost();
        if (response?.result !== "ok") return;
        this.progress.snapshot(records.at(-1)?.seq ?? base.seq, base.seq);
      }
    } finally {
      await reader.close();
    }
  }

  /** Returns undefined when this replicator was stopped meanwhile, or the standby follows a later epoch. */
  async #send(
    previousSeq: number,
    records: readonly LogRecord[],
    chunk?: SnapshotChunk,
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
      ...(chunk === undefined ? {} : { snapshot: chunk }),
    };
    const sent = momentOf(clock);
    const response = await withTimeout(clock, peerTimeoutMs, this.#stopped.signal, (signal) =>
      this.#peer.append(request, signal),
    );
    if (this.#stopped.signal.aborted) return undefined;
    const { result } = response;
    if (result === "stale-epoch") {
      this.#context.onStale(response.epoch);
      return undefined;
    }
    this.#succeeded();
    const answer = {
      sent,
      result,
      seq: previousSeq + (chunk === undefined ? records.length : 0),
      hadRecords: records.length > 0 || chunk !== undefined,
      counts: chunk === undefined || chunk.last,
    };
    this.progress.answered(answer, clock.monotonicMs(), store.written.seq);
    this.#context.onAck(this);
    return response;
  }

  #succeeded(): void {
    if (this.#told !== undefined) this.#context.log(`${this.#name} can be fed again`);
    this.#failingSinceMs = undefined;
    this.#told = undefined;
  }

  /** Logs why the standby could not be reached for a while. Perhaps only this primary knows. */
  #failed(error: unknown): void {
    const { clock, settings, log } = this.#context;
    if (this.#stopped.signal.aborted) return;
    this.progress.lost();
    const nowMs = clock.monotonicMs();
    const reason = explain(error);
    this.#failingSinceMs ??= nowMs;
    if (nowMs - this.#failingSinceMs < settings.standbyTimeoutMs) return;
    if (reason === this.#told?.reason || nowMs - (this.#told?.ms ?? -tellAgainMs) < tellAgainMs) return;
    this.#told = { reason, ms: nowMs };
    log(`${this.#name} cannot be fed: ${reason}`);
  }
}
