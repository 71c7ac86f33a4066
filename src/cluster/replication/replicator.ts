import { type Clock, sleep, withTimeout } from "../../common/clock.ts";
import { InvariantError } from "../../common/invariant.ts";
import { explain } from "../metadata/diagnostics.ts";
import type { Member, NodeView } from "../metadata/model.ts";
import { commonSeq, epochAt } from "../storage/format/history.ts";
import type { LogRecord } from "../storage/model.ts";
import type { ReplicaLog } from "../storage/replica-log.ts";
import { InFlight } from "./in-flight.ts";
import { momentOf } from "./lease.ts";
import type { AppendRequest, AppendResponse, Peer, SnapshotChunk } from "./peer.ts";
import { Progress } from "./progress.ts";
import { batchBytesMax, heartbeatMs, peerTimeoutMs, type ReplicationSettings } from "./settings.ts";

/** Pause after a standby could not be reached. A stream that has lasted longer is replaced at once. */
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
 * Replicates to one standby. It finds the last record that both logs share, and sends everything after it. The state of
 * its `progress` decides what it does next. All messages go over one stream, in their order. While records are sent that
 * surely fit, the next message does not wait for the answer to the one before.
 */
export class Replicator {
  readonly member: Member;
  readonly progress = new Progress();
  readonly #context: ReplicatorContext;
  readonly #peer: Peer;
  readonly #stopped = new AbortController();
  /** The messages on the present stream. Undefined before the first one, and after a stream has ended. */
  #flight: InFlight | undefined;
  /** Ends the wait for new records. */
  #wake: (() => void) | undefined;
  /** Whether somebody waits for the answer to a message that is sent from now on. */
  #isAsked = false;
  /** Whether nothing was sent for so long that the standby must hear of its primary. */
  #isOverdue = false;
  #sentMs = Number.NEGATIVE_INFINITY;
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
    this.#isAsked = true;
    this.#wake?.();
  }

  /** Call it every `heartbeatMs`. */
  beat(): void {
    const { clock, settings } = this.#context;
    // What was sent just now is as good as a heartbeat.
    if (clock.monotonicMs() - this.#sentMs < heartbeatMs(settings) / 2) return;
    this.#isOverdue = true;
    this.#wake?.();
  }

  stop(): void {
    this.#stopped.abort(new Error("replication to this standby has ended"));
    this.#endStream();
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        await this.#step();
      } catch (error) {
        if (error instanceof InvariantError) this.#context.onFailure(error);
        const lastedMs = this.#endStream();
        this.#failed(error);
        if (lastedMs < retryMs) await sleep(this.#context.clock, retryMs, signal);
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
        await this.#sendNext(state.sentSeq);
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
    const response = await this.#ask(seq, []);
    if (response?.result === "ok") this.progress.matched(seq);
    if (response?.result !== "mismatch") return true;
    const common = commonSeq(store, response);
    const isReachable = common >= store.base.seq && common >= response.base.seq;
    if (isReachable && !response.needsSnapshot) this.progress.matched(common);
    else this.progress.lost();
    return this.progress.state.kind !== "probe";
  }

  /** Sends the records after `sentSeq`. Without any it waits for some, and sends a heartbeat when one is due. */
  async #sendNext(sentSeq: number): Promise<void> {
    const { store } = this.#context;
    this.#flight?.check();
    if (!this.#hasWork(sentSeq)) await this.#idle();
    this.#flight?.check();
    if (this.#stopped.signal.aborted || this.#flight?.isFull) return;
    const records = await store.read(sentSeq, batchBytesMax);
    // An answer has come meanwhile that changes what is to be sent.
    const { state } = this.progress;
    if (this.#stopped.signal.aborted || state.kind !== "replicate" || state.sentSeq !== sentSeq) return;
    // Compaction has removed the records that the standby lacks.
    if (records === undefined) return await this.#sendSnapshot();
    if (records.length === 0 && !this.#isHeartbeatDue(sentSeq)) return;
    const endSeq = sentSeq + records.length;
    this.progress.sent(endSeq);
    this.#send(sentSeq, records)
      .then((response) => this.#matched(response, endSeq))
      .catch((error) => {
        // Everything else has ended the stream, which is noticed for all of its messages.
        if (error instanceof InvariantError) this.#context.onFailure(error);
      });
  }

  #hasWork(sentSeq: number): boolean {
    if (this.#flight?.isFull) return false;
    return this.#context.store.written.seq > sentSeq || this.#isHeartbeatDue(sentSeq);
  }

  #isHeartbeatDue(sentSeq: number): boolean {
    if (this.#isOverdue) return true;
    const isIdle = this.#flight === undefined || this.#flight.isEmpty;
    return isIdle && (this.#isAsked || this.progress.ackedSeq < sentSeq);
  }

  /** Handles the answer to a message that was not waited for. */
  #matched(response: AppendResponse | undefined, endSeq: number): void {
    if (response === undefined) return;
    if (response.result === "ok") {
      this.progress.matched(endSeq);
      return;
    }
    if (response.result === "mismatch") this.progress.lost();
    this.#wake?.();
  }

  /** Waits until there is something to send, an answer makes room, the stream ends, or a heartbeat is due. */
  async #idle(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  /** Sends all live records of the log. */
  async #sendSnapshot(): Promise<void> {
    // An answer to an earlier message must not count for the log that the snapshot makes.
    this.#endStream();
    const reader = await this.#context.store.openSnapshot();
    const { base, epochs, requestsAfter, moves } = reader;
    const snapshotId = ++this.#snapshotId;
    try {
      this.progress.snapshot(0, base.seq);
      for (let index = 0; ; index++) {
        const records = await reader.next(batchBytesMax);
        const last = records.length === 0;
        const chunk = { snapshotId, index, last, base, epochs, requestsAfter, moves };
        const response = await this.#ask(base.seq, records, chunk);
        if (response?.result === "ok" && last) return this.progress.matched(base.seq);
        if (response?.result === "mismatch") this.progress.lost();
        if (response?.result !== "ok") return;
        this.progress.snapshot(records.at(-1)?.seq ?? base.seq, base.seq);
      }
    } finally {
      await reader.close();
    }
  }

  /** Sends a message and waits for its answer. See `#send`. */
  #ask(previousSeq: number, records: readonly LogRecord[], chunk?: SnapshotChunk) {
    return withTimeout(this.#context.clock, peerTimeoutMs, this.#stopped.signal, () =>
      this.#send(previousSeq, records, chunk),
    );
  }

  /**
   * Sends a message, and notes its answer. Resolves with undefined when this replicator was stopped or has ended the
   * stream meanwhile, or the standby follows a later epoch.
   */
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
    this.#isAsked = false;
    this.#isOverdue = false;
    this.#sentMs = sent.monotonicMs;
    this.#flight ??= new InFlight(this.#peer, clock, () => this.#wake?.());
    const flight = this.#flight;
    const response = await flight.append(request);
    if (this.#stopped.signal.aborted || flight !== this.#flight) return undefined;
    const { result } = response;
    if (result === "stale-epoch") {
      this.#context.onStale(response.epoch);
      return undefined;
    }
    this.#succeeded();
    const nowMs = clock.monotonicMs();
    const answer = {
      sent,
      isOk: result === "ok",
      seq: previousSeq + (chunk === undefined ? records.length : 0),
      hadRecords: records.length > 0 || chunk !== undefined,
      ...(chunk !== undefined && { snapshot: chunk.last ? ("last" as const) : ("chunk" as const) }),
    };
    this.progress.answered(answer, nowMs, store.written.seq);
    if (result === "full") this.progress.full(nowMs);
    // The messages behind it do not fit either. Their answers, which may come in the same turn, say nothing new.
    if (!answer.isOk) this.#endStream();
    this.#context.onAck(this);
    return response;
  }

  /** Returns how long the stream has lasted, in milliseconds. */
  #endStream(): number {
    const flight = this.#flight;
    this.#flight = undefined;
    flight?.close();
    return flight?.ageMs ?? 0;
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
