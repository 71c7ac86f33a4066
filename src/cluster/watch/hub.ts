import type { Clock } from "../../common/clock.ts";
import { InvariantError, invariant } from "../../common/invariant.ts";
import { OperationError } from "../metadata/operation-error.ts";
import { epochAt, holds } from "../storage/format/history.ts";
import type { KeyView } from "../storage/key-view.ts";
import type { LogRecord, Position } from "../storage/model.ts";
import { Budget } from "./budget.ts";
import { previousLater } from "./previous.ts";
import { ScopeIndex } from "./scope.ts";
import { type AcceptedKeys, ringMarkOf, type StepInLog, type WatchStep } from "./step.ts";
import { type BeforeAccept, hasEvents, type Offer, Watcher, type WatchOptions } from "./watcher.ts";

/** Maximum number of watches of one node. */
const watchersMax = 20_000;

/** About how many bytes a watcher that is behind reads from the log at once. */
const readBytes = 256 * 1024;

/** Bytes that wait for all watchers together. A watcher without room reads the log instead. */
const queuedBytesMax = 64 * 1024 * 1024;

/** Bytes of steps that were sent to all watchers together and not taken yet. Short steps are not counted. */
const heldBytesMax = 256 * 1024 * 1024;
const heldBytesMin = 16 * 1024;

/** Watchers that read at the same time. Each may hold a whole message. */
const readingMax = 16;

/** A watcher without events gets its position after this time, so that it can resume there. */
const progressMs = 10_000;

/** How often to check for watchers that are due. */
const tickMs = 1000;

/** All watches of a node. Live watchers get each record as it becomes visible. The others read the log. */
export class WatchHub {
  readonly #store: KeyView;
  readonly #clock: Clock;
  readonly #onFailure: (error: unknown) => void;
  readonly #live = new Set<Watcher>();
  readonly #scopes = new ScopeIndex<Watcher>();
  readonly #queued = { bytes: 0 };
  readonly #held: Budget;
  readonly #reading: Budget;
  #watchers = 0;
  /** When all watchers were last to be told how far they have come. Monotonic. */
  #askedMs = Number.NEGATIVE_INFINITY;
  #isTicking = false;

  /** `onFailure` is told of a broken invariant: the process must end. */
  constructor(store: KeyView, clock: Clock, onFailure: (error: unknown) => void) {
    this.#store = store;
    this.#clock = clock;
    this.#onFailure = onFailure;
    this.#held = new Budget(heldBytesMax, "what all watches have not read yet, in bytes,", clock);
    this.#reading = new Budget(readingMax, "the number of watches that read the log at a time", clock);
    store.onVisible((record) => this.#dispatch(record));
  }

  /**
   * The changes of a scope until `signal` is aborted. The first step comes at once. A slow reader delays no other. Call it
   * in a turn in which no other node can serve the group. Errors: history-lost, exhausted.
   */
  async *watch(options: WatchOptions, signal: AbortSignal): AsyncGenerator<WatchStep, void, void> {
    const at = this.#begin(options);
    if (this.#watchers >= watchersMax) {
      throw new OperationError("exhausted", `${watchersMax} watches are open on this node already`);
    }
    const watcher = new Watcher(options, at, this.#clock.monotonicMs(), this.#queued);
    const wake = () => watcher.wake();
    signal.addEventListener("abort", wake);
    this.#watchers++;
    try {
      const accepted = this.#acceptedBefore(options.after, at);
      const lastRevision = this.#store.revisionOf(this.#store.visible.seq);
      yield { ...this.#told({ events: [], at, ...(accepted && { accepted }) }), lastRevision };
      while (!signal.aborted) {
        let offer = await this.#offer(watcher, signal);
        if (signal.aborted) return;
        if (offer === undefined) continue;
        let giveBack = this.#room(offer);
        if (giveBack === undefined) {
          // A step that cannot be sent yet is not kept in memory. It is made again later.
          const { bytes } = offer;
          offer = undefined;
          giveBack = await this.#held.take(bytes, signal);
        }
        try {
          offer ??= await this.#offer(watcher, signal);
          if (signal.aborted) return;
          if (offer === undefined) continue;
          // A mark that has become visible since then has moved on a watch for which no events wait.
          if (offer.step.isCurrent && offer.step.at.seq < watcher.at.seq) continue;
          this.#checkCommitted(offer.step);
          offer.take();
          watcher.told(this.#clock.monotonicMs());
          const { step } = offer;
          // While the step waits to be taken, the events that it was made of are not kept.
          offer = undefined;
          yield this.#told(step);
        } finally {
          giveBack();
        }
      }
    } catch (error) {
      if (error instanceof InvariantError) this.#onFailure(error);
      if (!signal.aborted) throw error;
    } finally {
      this.#watchers--;
      this.#drop(watcher);
      signal.removeEventListener("abort", wake);
    }
  }

  /** Tells all watchers how far they have come. Those that are behind learn it when they have caught up. */
  tellProgress(): void {
    this.#askedMs = this.#clock.monotonicMs();
    for (const watcher of this.#live) watcher.wake();
  }

  #begin({ after: token, scope }: WatchOptions): Position {
    const { visible, base, epochs } = this.#store;
    if (token === undefined || "acceptedSince" in token) return visible;
    if ("change" in token) return this.#beginBefore(token, scope.kind !== "key");
    const after = { epoch: token.epoch, seq: this.#store.seqAt(token.revision) };
    const isOurs = after.seq <= visible.seq && (after.epoch === 0 || holds({ epochs, last: visible }, after));
    if (isOurs && after.seq >= base.seq) return after;
    const reason = isOurs ? "has been compacted away" : "is not one of this group's history";
    throw this.#lost(token.revision, reason);
  }

  /** `hadNoKeys`: a group that the token does not name had none then. Not so with a key: a token names the groups that had it. */
  #beginBefore({ change }: BeforeAccept, hadNoKeys: boolean): Position {
    const store = this.#store;
    const { visible, base, epochs } = store;
    const { change: last } = store.moves;
    // A group that was never part of a move has had all its keys from the beginning. So has one that has given keys away since,
    // and accepted none: it entered the ring before the first write.
    const isFromBeginning = last === 0 || (hadNoKeys && change > 0 && last >= change);
    const seq = store.beforeAccept(change) ?? (isFromBeginning ? 0 : visible.seq);
    if (seq < base.seq) throw this.#lost(store.revisionOf(Math.max(0, seq)), "has been compacted away");
    return seq < visible.seq ? { epoch: epochAt(epochs, seq), seq } : visible;
  }

  /** What was accepted before the watch begins, and is not told as a mark. */
  #acceptedBefore(token: WatchOptions["after"], at: Position): AcceptedKeys[] | undefined {
    if (token === undefined || "change" in token) return undefined;
    const isFromNow = "acceptedSince" in token;
    const accepted = this.#store.acceptedSince(isFromNow ? token.acceptedSince : 0, at.seq);
    // A watch from now on may have to begin before any of them. One after a token waits for what was last of each group.
    const named = isFromNow ? accepted : new Map(accepted.map((keys) => [keys.from, keys])).values();
    return Array.from(named, ({ from, revision, change, afterSeq }) => {
      return { from, revision, change, after: this.#store.revisionOf(afterSeq) };
    });
  }

  #told(step: StepInLog): WatchStep {
    return { ...step, revision: this.#store.revisionOf(step.at.seq) };
  }

  #checkCommitted({ events, at }: StepInLog): void {
    const store = this.#store;
    const revision = Math.max(store.revisionOf(at.seq), events.at(-1)?.revision ?? 0);
    const committed = store.revisionOf(store.visible.seq);
    invariant(
      revision <= committed,
      () => `revision ${revision} is told to a watch, and only ${committed} is committed`,
    );
  }

  /** What came after a revision is not there any more. */
  #lost(after: number, reason: string): OperationError {
    const oldest = this.#store.revisionOf(this.#store.base.seq);
    return new OperationError(
      "history-lost",
      `what came after revision ${after} ${reason}; revision ${oldest} is the oldest that can be begun after`,
      { revision: oldest },
    );
  }

  /** Takes room for a step, if there is some. Returns a function that gives it back. */
  #room({ bytes }: Offer): (() => void) | undefined {
    return bytes < heldBytesMin ? () => {} : this.#held.tryTake(bytes);
  }

  /** The next step of a watcher, if there is one. Waits for one if the watcher is live. */
  async #offer(watcher: Watcher, signal: AbortSignal): Promise<Offer | undefined> {
    if (!this.#live.has(watcher)) {
      if (this.#isBehind(watcher)) return await this.#reads(signal, () => this.#readOn(watcher));
      if (watcher.isUntold) return watcher.offerProgress(watcher.at, true);
      this.#live.add(watcher);
      this.#scopes.add(watcher.scope, watcher);
      this.#tick();
      return undefined;
    }
    await watcher.wait();
    if (watcher.hasQueued) {
      return watcher.wantsPrevious ? await this.#reads(signal, () => watcher.offer()) : await watcher.offer();
    }
    // No event waits in this turn, so everything visible was sent.
    const isDue = watcher.toldMs <= this.#askedMs || this.#clock.monotonicMs() - watcher.toldMs >= progressMs;
    return this.#live.has(watcher) && isDue ? watcher.offerProgress(this.#store.visible, true) : undefined;
  }

  #isBehind(watcher: Watcher): boolean {
    return watcher.at.seq < this.#store.visible.seq;
  }

  async #reads<T>(signal: AbortSignal, read: () => Promise<T>): Promise<T> {
    const giveBack = await this.#reading.take(1, signal);
    try {
      return await read();
    } finally {
      giveBack();
    }
  }

  /** A step read from the log, for a watcher that is behind. */
  async #readOn(watcher: Watcher): Promise<Offer | undefined> {
    const store = this.#store;
    const { visible } = store;
    const records = (await store.read(watcher.at.seq, readBytes))?.filter(({ seq }) => seq <= visible.seq);
    const last = records?.at(-1);
    if (records === undefined || last === undefined) {
      throw this.#lost(store.revisionOf(watcher.at.seq), "was compacted away before it was read");
    }
    const marked = records.findIndex((record) => ringMarkOf(record) !== undefined);
    const [first] = records;
    const mark = first && ringMarkOf(first);
    if (first !== undefined && mark !== undefined) {
      // Whoever merges groups holds an accept until the other group has come far enough, and that one perhaps one of its own
      // until this group has come to here.
      if (mark.kind === "accept" && watcher.isUntold) return watcher.offerProgress(watcher.at, false);
      return watcher.offerMark(mark, { epoch: first.epoch, seq: first.seq });
    }
    const offer = await watcher.offerOf(marked < 0 ? records : records.slice(0, marked), store);
    const isDue = this.#clock.monotonicMs() - watcher.toldMs >= progressMs;
    if (offer.step.events.length > 0 || isDue) return offer;
    offer.take();
    return undefined;
  }

  #dispatch(record: LogRecord): void {
    if (this.#live.size === 0) return;
    if (ringMarkOf(record) !== undefined) {
      // Marks are rare. Who reads the log finds them there.
      for (const watcher of [...this.#live]) {
        watcher.skip(this.#store.visible);
        this.#drop(watcher);
      }
      return;
    }
    if (!hasEvents(record)) return;
    const revision = this.#store.revisionOf(record.seq);
    const at = { epoch: record.epoch, seq: record.seq };
    for (const change of record.changes) {
      let later: ReturnType<typeof previousLater>;
      for (const watcher of this.#scopes.find(change.key)) {
        if (watcher.wantsPrevious) later ??= previousLater(this.#store, change);
        const previous = watcher.wantsPrevious ? later : undefined;
        const bytesLeft = queuedBytesMax - this.#queued.bytes;
        if (!watcher.push({ change, at, revision, previous }, bytesLeft)) this.#drop(watcher);
      }
    }
  }

  /** Marks a live watcher as behind. From now on it reads the log. */
  #drop(watcher: Watcher): void {
    if (!this.#live.delete(watcher)) return;
    this.#scopes.delete(watcher.scope, watcher);
    watcher.clear();
    watcher.wake();
  }

  #tick(): void {
    if (this.#isTicking) return;
    this.#isTicking = true;
    this.#clock.timer(tickMs, () => {
      this.#isTicking = false;
      if (this.#live.size === 0) return;
      const dueMs = this.#clock.monotonicMs() - progressMs;
      for (const watcher of this.#live) if (watcher.toldMs <= dueMs) watcher.wake();
      this.#tick();
    });
  }
}
