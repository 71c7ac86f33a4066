import { sleep, withTimeout } from "../../common/clock.ts";
import { explain } from "../metadata/diagnostics.ts";
import { OperationError, refused } from "../metadata/operation-error.ts";
import type { MoveChunk, MoveEnd, MoveInRequest, MoveOutAnswer, MoveStep } from "../replication/peer.ts";
import { isSameMove, type Move } from "../ring/changing-ring.ts";
import type { MoveProgress, MoveStage } from "../ring/move-progress.ts";
import { placementOf } from "../ring/placement.ts";
import { requirePrimary } from "../ring/require.ts";
import { isUnderWay, moved } from "../ring/ring-change.ts";
import { readRing, untilRingSeen, updateRing } from "../ring/update-ring.ts";
import type { LogRecord } from "../storage/model.ts";
import { forgetKeys } from "./forget-keys.ts";
import type { MoveOptions } from "./options.ts";
import { Pacer } from "./pacer.ts";

/** Longest wait for the answer to a step. */
const stepTimeoutMs = 10_000;

/** The source takes no more writes of the keys once so few records are left to look through. */
const behindMax = 500;

/** What was not copied in time is made up for, up to the keys of so many seconds. */
const burstSeconds = 1;

/** How often a move that is slow on purpose looks whether it still is to be. */
const paceMsMax = 500;

/**
 * Revisions that are skipped beyond those of the source. It goes on with its other keys, and a caller who does not know of the
 * end of the move yet names a write after what it has reached by then. What names a revision that this group has not reached
 * is refused: such a write might then never be repeated. As many take the source some fifty seconds at least.
 */
const skippedRevisions = 1_000_000;

/** How often it asks the source again for what it has had last: more often than the source gives up an attempt. */
const keepAliveMs = 10_000;

/** A move that is being carried out. */
interface Running {
  readonly change: number;
  readonly move: Move;
  readonly ended: Promise<void>;
}

/**
 * Gets the keys of a move, while this node is the primary of the group that is to have them. The master asks for it, and
 * its successor asks again. Every attempt begins anew, until the source has released the keys.
 */
export class MoveDestination {
  readonly #options: MoveOptions;
  #attempts = 0;
  #running: Running | undefined;
  #progress: MoveProgress | undefined;

  constructor(options: MoveOptions) {
    this.#options = options;
  }

  /** The move under way, if there is one. */
  get progress(): readonly MoveProgress[] {
    return this.#progress === undefined ? [] : [this.#progress];
  }

  /**
   * Resolves when `/ring` has the move as done. A caller that leaves does not end it.
   * Errors: refused, unavailable, exhausted.
   */
  async run({ change, from }: MoveInRequest): Promise<void> {
    const move = { from, to: this.#options.group };
    const running = this.#running;
    if (running !== undefined) {
      if (running.change === change && isSameMove(running.move, move)) return await running.ended;
      throw refused(`the move from "${running.move.from}" is still under way`);
    }
    const ended = this.#carryOut(change, move).finally(() => {
      this.#running = undefined;
      this.#progress = undefined;
    });
    this.#running = { change, move, ended };
    await ended;
  }

  async #carryOut(change: number, move: Move): Promise<void> {
    const { ended } = this.#options.primary;
    try {
      await this.#attempt(change, move);
    } catch (error) {
      // What was waited for rejects with the reason, which is no error of the operation.
      if (ended.aborted) throw new OperationError("unavailable", explain(ended.reason), { cause: error });
      throw error;
    }
  }

  async #attempt(change: number, move: Move): Promise<void> {
    const { clock, primary } = this.#options;
    primary.log.checkServing();
    await untilRingSeen(this.#options, change, primary.ended);
    const attempt = new Attempt({ ...this.#options, change, move, nextName: () => this.#nextName() });
    const startedMs = clock.monotonicMs();
    await attempt.run((stage, keys, keysTotal) => {
      const elapsedMs = Math.round(clock.monotonicMs() - startedMs);
      this.#progress = { change, ...move, stage, keys, keysTotal, elapsedMs };
    });
  }

  /** No other attempt of any primary of this group has this name. */
  #nextName(): string {
    return `${this.#options.primary.epoch}.${++this.#attempts}`;
  }
}

type Tell = (stage: MoveStage, keys: number, keysTotal: number) => void;

interface AttemptOptions extends MoveOptions {
  readonly change: number;
  readonly move: Move;
  /** See `MoveOutRequest.attempt`. */
  readonly nextName: () => string;
}

/** One attempt to get the keys of a move, from the first step to the last. */
class Attempt {
  readonly #options: AttemptOptions;
  #name = "";
  /** What it has still to append then must not come: the next attempt may have erased already. */
  #isOver = false;
  #keys = 0;
  #keysTotal = 0;
  /** How many keys may be copied at once, as of `#earnedMs`. Below 0 after more were copied. */
  #allowance = 0;
  #earnedMs: number;

  constructor(options: AttemptOptions) {
    this.#options = options;
    this.#earnedMs = options.clock.monotonicMs();
  }

  async run(tell: Tell): Promise<void> {
    try {
      await this.#take(tell);
    } finally {
      this.#isOver = true;
    }
  }

  async #take(tell: Tell): Promise<void> {
    const { store, ring, change, move, log } = this.#options;
    // What was accepted may be released. Then nobody serves it until the ring says so, paused or not.
    const isAccepted = store.moves.change === change && store.moves.accepted.has(move.from);
    if (!isAccepted) this.#checkUnderWay();
    const { released, keys = 0 } = await this.#begin();
    if (released) {
      if (!isAccepted) {
        throw refused(
          `"${move.from}" has given up keys that are not here: they were lost with this group's log`,
        );
      }
      return await this.#complete();
    }
    await this.#checkNotable();
    this.#checkUnderWay();
    this.#keysTotal = keys;
    tell("erase", 0, keys);
    await this.#erase();
    const end = await this.#copy(() => tell("copy", this.#keys, Math.max(this.#keysTotal, this.#keys)), tell);
    await this.#accept(end);
    // Writers wait by now: whether the connection is there must do.
    if (!ring.connected) throw new OperationError("unavailable", "ZooKeeper cannot be asked now");
    tell("release", this.#keys, this.#keys);
    await this.#step({ kind: "release" });
    log(`group "${move.from}" has given ${this.#keys} values of keys to this group`);
    await this.#complete();
  }

  async #begin(): Promise<MoveOutAnswer> {
    this.#name = this.#options.nextName();
    return await this.#step({ kind: "begin" });
  }

  /**
   * What an earlier attempt has left must not stay if the source has deleted it since. Nor what a log has that an operator has
   * recovered: it may be from before the keys went to the source, and have no mark of that.
   */
  async #erase(): Promise<void> {
    const { clock, primary } = this.#options;
    const startedMs = clock.monotonicMs();
    await primary.log.settled(primary.ended);
    await forgetKeys({ ...this.#options, isForgotten: (key) => this.#isMoved(key), signal: primary.ended });
    // To go through many keys takes long, and the source gives an attempt up that asks for nothing.
    if (clock.monotonicMs() - startedMs > keepAliveMs) await this.#begin();
  }

  async #copy(tellCopied: () => void, tell: Tell): Promise<MoveEnd> {
    const { primary } = this.#options;
    const pacer = new Pacer({ ...this.#options, signal: primary.ended });
    let isSealed = false;
    let appended = Promise.resolve();
    for (let index = 0; ; index++) {
      const { chunk } = await this.#step({ kind: "next", index });
      if (chunk === undefined) throw refused("the source has answered without a chunk");
      // One chunk is fetched while the one before is being committed: there are never more than two.
      await appended;
      this.#checkUnderWay();
      // What is written meanwhile comes at the pace of its writers, and after the seal they wait.
      const isPaced = chunk.behind === undefined;
      appended = isPaced ? pacer.run(() => this.#append(chunk)) : this.#append(chunk);
      appended.catch(() => {});
      tellCopied();
      if (chunk.end !== undefined) {
        await appended;
        return chunk.end;
      }
      if (isPaced) await this.#pace(chunk, index);
      if (isSealed || (chunk.behind ?? Number.POSITIVE_INFINITY) > behindMax) continue;
      await appended;
      await this.#checkNotable();
      primary.log.admit();
      tell("seal", this.#keys, this.#keys);
      await this.#step({ kind: "seal" });
      isSealed = true;
    }
  }

  async #append({ records }: MoveChunk): Promise<void> {
    const { primary } = this.#options;
    const { log } = primary;
    if (records.length === 0) return;
    while (log.isHeld) await log.untilReleased(primary.ended);
    // In the turn in which they are added: what comes after the end of the attempt, or of the change, would stay.
    if (this.#isOver) throw refused("the attempt is over");
    this.#checkUnderWay();
    log.admit();
    const copies = records.filter((record) => !this.#isKnown(record));
    if (copies.length === 0) return;
    // Not those that only name requests: of these nobody knows how many there will be.
    for (const { changes } of copies) this.#keys += changes.length;
    const last = log.proposeAll(copies.map(({ changes, requestId, move }) => ({ changes, requestId, move })));
    await log.committed(last, primary.ended);
  }

  /**
   * Whether a copy only names a request that this log knows, from this group's own time with the keys or from an earlier
   * move. Taken again and again, the requests of keys that go back and forth would multiply.
   */
  #isKnown({ changes, requestId, move }: LogRecord): boolean {
    if (changes.length > 0 || requestId === undefined || move?.kind !== "copy") return false;
    return this.#options.store.requestOf(requestId)?.revision === move.revision;
  }

  /** From here on the revisions of this group are higher than those of the copies. */
  async #accept({ revision, requestsAfter }: MoveEnd): Promise<void> {
    const { primary, store, change, move } = this.#options;
    const { log } = primary;
    while (log.isHeld) await log.untilReleased(primary.ended);
    this.#checkUnderWay();
    log.admit();
    const { seq } = store.last;
    // Always raised: what is forgotten of the requests that were copied counts up to the last raise.
    const ahead = Math.max(store.revisionOf(seq) + 1, revision + skippedRevisions) - seq;
    const accepted = log.propose([], {
      move: { kind: "accept", change, from: move.from, revision, ahead, requestsAfter },
    });
    await log.committed(accepted, primary.ended);
  }

  /** Notes in `/ring` that the move is done. */
  async #complete(): Promise<void> {
    const { ring, primary, change, move } = this.#options;
    primary.ended.throwIfAborted();
    const { after } = await updateRing(ring, (now) =>
      isUnderWay(now, move, change) ? moved(now, move, change) : now,
    );
    await untilRingSeen(this.#options, after.version, primary.ended);
  }

  /**
   * Asks `/ring` itself. What was released nobody serves until it is noted there, so keys must not be given up while ZooKeeper
   * is away. Errors: unavailable, refused.
   */
  async #checkNotable(): Promise<void> {
    const { value } = await readRing(this.#options.ring);
    this.#checkUnderWay(value);
  }

  /** `ring`: as this node sees it, or newer. Errors: refused (the change is paused, or another one). */
  #checkUnderWay(ring = this.#options.topology.current?.ring?.value): void {
    const { change, move } = this.#options;
    if (ring === undefined || !isUnderWay(ring, move, change)) throw refused("the ring change is over");
    if (ring.change?.paused) throw refused("the ring change is paused");
  }

  #isMoved(key: string): boolean {
    const { topology, move } = this.#options;
    const ring = topology.current?.ring?.value;
    return ring !== undefined && placementOf(ring).isMoved(key, move);
  }

  /**
   * Waits until the keys after these may be copied. Records that only name requests are none. What an operator says
   * meanwhile counts at once. Errors: refused.
   */
  async #pace({ records }: MoveChunk, index: number): Promise<void> {
    const { topology, clock, primary } = this.#options;
    this.#allowance -= records.filter(({ changes }) => changes.length > 0).length;
    let askedMs = clock.monotonicMs();
    for (;;) {
      this.#checkUnderWay();
      const rate = topology.current?.ring?.value.change?.rate;
      if (rate === undefined) return;
      const nowMs = clock.monotonicMs();
      const earned = (rate * (nowMs - this.#earnedMs)) / 1000;
      this.#allowance = Math.min(rate * burstSeconds, this.#allowance + earned);
      this.#earnedMs = nowMs;
      if (this.#allowance >= 0) return;
      // At least a millisecond: what rounding leaves would take ever shorter waits.
      const waitMs = Math.max(1, (-this.#allowance / rate) * 1000);
      await sleep(clock, Math.min(paceMsMax, waitMs), primary.ended);
      primary.ended.throwIfAborted();
      if (clock.monotonicMs() - askedMs < keepAliveMs) continue;
      // The source gives an attempt up that asks for nothing.
      const { chunk } = await this.#step({ kind: "next", index });
      if (chunk?.records.length !== records.length) throw refused("the source has begun anew");
      askedMs = clock.monotonicMs();
    }
  }

  async #step(step: MoveStep): Promise<MoveOutAnswer> {
    const { topology, clock, primary, peerAt, change, move } = this.#options;
    const { address } = requirePrimary(move.from, topology.current?.groups.get(move.from));
    const request = { group: move.from, to: move.to, change, attempt: this.#name, step };
    return await withTimeout(clock, stepTimeoutMs, primary.ended, (given) =>
      peerAt(address).moveOut(request, given),
    );
  }
}
