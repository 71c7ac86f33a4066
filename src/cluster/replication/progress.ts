import { invariant } from "../../common/invariant.ts";
import { fullRetryMs } from "./disk-diagnostics.ts";
import type { Moment } from "./lease.ts";

/** Longest pause before a standby whose disk is full is sent records again: it may be a whole snapshot in vain. */
const pauseMsMax = 10_000;

/**
 * What a primary does for a standby.
 *
 * - `probe`: it is not known where the standby's log stops being the same as ours. One message at a time asks.
 * - `replicate`: both logs are the same up to `matchedSeq`. The standby is sent everything behind that.
 * - `snapshot`: our log no longer reaches back to the standby's. It is sent all live records up to `endSeq`, of which
 *   those up to `sentSeq` have arrived.
 * - `paused`: the standby's disk had no room. It is sent heartbeats only, until `untilMs` (monotonic). `matchedSeq` is
 *   undefined while it would have to be probed.
 *
 * Modelled on the states of `tracker/progress.go` in etcd-io/raft.
 */
export type ProgressState =
  | { readonly kind: "probe" }
  | { readonly kind: "replicate"; readonly matchedSeq: number }
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

/** What a standby has answered to one message. */
export interface Answer {
  /** When the message was sent. */
  readonly sent: Moment;
  readonly result: "ok" | "mismatch" | "full";
  /** The last record that the message said the standby has; it has it on disk if the result is ok. */
  readonly seq: number;
  /** Whether the message brought anything: a heartbeat does not show that a disk keeps up. */
  readonly hadRecords: boolean;
  /** False for a chunk of a snapshot that is not the last one: nothing of it counts yet. */
  readonly counts: boolean;
}

/** How far a standby has come, as its primary knows. */
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

  /** When the last message that the standby answered was sent; the lease runs from here. */
  get ackedSent(): Moment | undefined {
    return this.#ackedSent;
  }

  /** When it last acknowledged records, or that it has all of them; monotonic. */
  get progressMs(): number | undefined {
    return this.#progressMs;
  }

  /** Whether its disk had no room when records were last sent. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Both logs are the same up to `matchedSeq`. */
  matched(matchedSeq: number): void {
    if (this.#state.kind === "paused") this.#become({ ...this.#state, matchedSeq });
    else this.#become({ kind: "replicate", matchedSeq });
  }

  /** Nothing is known of the standby's log any more. */
  lost(): void {
    if (this.#state.kind === "paused") this.#become({ ...this.#state, matchedSeq: undefined });
    else this.#become({ kind: "probe" });
  }

  /** Records of a snapshot that ends at `endSeq` have arrived, up to `sentSeq`. */
  snapshot(sentSeq: number, endSeq: number): void {
    this.#become({ kind: "snapshot", sentSeq, endSeq });
  }

  /** Goes on after a pause, once it is over. Returns whether it is. */
  resume(nowMs: number): boolean {
    const state = this.#state;
    if (state.kind !== "paused" || nowMs < state.untilMs) return false;
    if (state.matchedSeq === undefined) this.#become({ kind: "probe" });
    else this.#become({ kind: "replicate", matchedSeq: state.matchedSeq });
    return true;
  }

  /** Takes note of an answer that has come now. `writtenSeq` is the last record that the standby may have been sent. */
  answered(answer: Answer, nowMs: number, writtenSeq: number): void {
    const { sent, result, seq, hadRecords, counts } = answer;
    this.#ackedSent = sent;
    if (result === "full") {
      this.#isFull = true;
      const matchedSeq = "matchedSeq" in this.#state ? this.#state.matchedSeq : undefined;
      this.#become({ kind: "paused", matchedSeq, untilMs: nowMs + this.#pauseMs });
      this.#pauseMs = Math.min(2 * this.#pauseMs, pauseMsMax);
    }
    if (result !== "ok") return;
    if (counts) {
      invariant(seq <= writtenSeq, () => `record ${seq} is acknowledged, and the file ends at ${writtenSeq}`);
      this.#ackedSeq = seq;
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
