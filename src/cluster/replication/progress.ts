import { invariant } from "../../common/invariant.ts";
import { fullRetryMs } from "./disk-diagnostics.ts";
import type { Moment } from "./lease.ts";

/** Longest pause before a standby with a full disk gets records again. They may be a whole snapshot, sent for nothing. */
const pauseMsMax = 10_000;

/**
 * How a primary sends to a standby.
 *
 * - `probe`: it is not known up to where the standby's log is the same as ours. One message at a time asks.
 * - `replicate`: both logs are the same up to `matchedSeq`, and the records up to `sentSeq` are on their way. The standby
 *   gets the records after that without being waited for.
 * - `snapshot`: our log no longer has the records that the standby lacks. The standby gets all live records up to
 *   `endSeq`. Those up to `sentSeq` have arrived.
 * - `paused`: the standby's disk was full. It only gets heartbeats, until `untilMs` (monotonic). `matchedSeq` is
 *   undefined if the standby must be probed first.
 *
 * Modelled on the states of `tracker/progress.go` in etcd-io/raft.
 */
export type ProgressState =
  | { readonly kind: "probe" }
  | { readonly kind: "replicate"; readonly matchedSeq: number; readonly sentSeq: number }
  | { readonly kind: "snapshot"; readonly sentSeq: number; readonly endSeq: number }
  | { readonly kind: "paused"; readonly matchedSeq: number | undefined; readonly untilMs: number };

type Kind = ProgressState["kind"];

/** Which states may follow a state. */
const legal: Readonly<Record<Kind, readonly Kind[]>> = {
  probe: ["probe", "replicate", "snapshot", "paused"],
  replicate: ["replicate", "probe", "snapshot", "paused"],
  snapshot: ["snapshot", "replicate", "probe", "paused"],
  // A snapshot begins only after a probe has shown that it is still needed.
  paused: ["paused", "replicate", "probe"],
};

/** A standby's answer to one message. */
export interface Answer {
  /** When the message was sent. */
  readonly sent: Moment;
  readonly isOk: boolean;
  /** If it is ok: the last record that the standby has on disk then. */
  readonly seq: number;
  /** Whether the message had records. The answer to a heartbeat does not show that a disk works. */
  readonly hadRecords: boolean;
  /** Set for a chunk of a snapshot. A snapshot takes the place of the whole log, with its last chunk. */
  readonly snapshot?: "chunk" | "last";
}

/** The progress of a standby, as its primary knows it. */
export class Progress {
  #state: ProgressState = { kind: "probe" };
  #ackedSeq = 0;
  #ackedSent: Moment | undefined;
  #progressMs: number | undefined;
  #isFull = false;
  #pauseMs = fullRetryMs;

  get state(): ProgressState {
    return this.#state;
  }

  /** The standby has everything up to here on disk. */
  get ackedSeq(): number {
    return this.#ackedSeq;
  }

  /** When the last message that the standby answered was sent. The lease begins there. */
  get ackedSent(): Moment | undefined {
    return this.#ackedSent;
  }

  /** When it last acknowledged records, or that it has all of them. Monotonic. */
  get progressMs(): number | undefined {
    return this.#progressMs;
  }

  /** Whether its disk was full when it last received records. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Both logs are the same up to `matchedSeq`. */
  matched(matchedSeq: number): void {
    const state = this.#state;
    if (state.kind === "paused") this.#become({ ...state, matchedSeq });
    else if (state.kind === "replicate") {
      const { sentSeq } = state;
      this.#become({ kind: "replicate", matchedSeq: Math.max(state.matchedSeq, matchedSeq), sentSeq });
    } else this.#become({ kind: "replicate", matchedSeq, sentSeq: matchedSeq });
  }

  /** The records up to `sentSeq` are on their way. */
  sent(sentSeq: number): void {
    const state = this.#state;
    invariant(state.kind === "replicate", () => `records are sent ahead in state ${state.kind}`);
    invariant(sentSeq >= state.sentSeq, () => `record ${state.sentSeq} is followed by ${sentSeq}`);
    this.#become({ ...state, sentSeq });
  }

  /** Nothing is known about the standby's log any more. */
  lost(): void {
    if (this.#state.kind === "paused") this.#become({ ...this.#state, matchedSeq: undefined });
    else this.#become({ kind: "probe" });
  }

  /** Records of a snapshot that ends at `endSeq` have arrived, up to `sentSeq`. */
  snapshot(sentSeq: number, endSeq: number): void {
    this.#become({ kind: "snapshot", sentSeq, endSeq });
  }

  /** Ends a pause whose time is over. Returns whether it has ended. */
  resume(nowMs: number): boolean {
    const state = this.#state;
    if (state.kind !== "paused" || nowMs < state.untilMs) return false;
    if (state.matchedSeq === undefined) this.#become({ kind: "probe" });
    else this.#become({ kind: "replicate", matchedSeq: state.matchedSeq, sentSeq: state.matchedSeq });
    return true;
  }

  /** The standby had no room for records. */
  full(nowMs: number): void {
    this.#isFull = true;
    const matchedSeq = "matchedSeq" in this.#state ? this.#state.matchedSeq : undefined;
    this.#become({ kind: "paused", matchedSeq, untilMs: nowMs + this.#pauseMs });
    this.#pauseMs = Math.min(2 * this.#pauseMs, pauseMsMax);
  }

  /**
   * Notes what an answer that has come now says of the standby. Answers may come in another order than their messages
   * were sent. `writtenSeq`: the last record that may have been sent to the standby.
   */
  answered(answer: Answer, nowMs: number, writtenSeq: number): void {
    const { sent, isOk, seq, hadRecords, snapshot } = answer;
    if (sent.monotonicMs >= (this.#ackedSent?.monotonicMs ?? 0)) this.#ackedSent = sent;
    if (!isOk) return;
    if (snapshot !== "chunk") {
      invariant(seq <= writtenSeq, () => `record ${seq} is acknowledged, and the file ends at ${writtenSeq}`);
      this.#ackedSeq = snapshot === "last" ? seq : Math.max(this.#ackedSeq, seq);
    }
    if (hadRecords) {
      this.#isFull = false;
      this.#pauseMs = fullRetryMs;
    }
    if (hadRecords || this.#ackedSeq >= writtenSeq) this.#progressMs = nowMs;
  }

  #become(next: ProgressState): void {
    const { kind } = this.#state;
    invariant(
      legal[kind].includes(next.kind),
      () => `a standby in state ${kind} is put in state ${next.kind}`,
    );
    this.#state = next;
  }
}
