import { isNoRoom } from "../../../common/no-room.ts";
import { LogFileError, LogStoreError } from "../errors.ts";
import type { LogState } from "../state.ts";
import { positionAt, Rewrite } from "./rewrite.ts";
import type { RewriteTurn } from "./rewrite-turn.ts";

/** Smaller logs are left as they are: nothing would be gained. */
const fileBytesMin = 1024 * 1024;

/** What may be left to copy when appends are stopped for the last step: read and written within a millisecond. */
const lastStepBytes = 64 * 1024;

/** HostProvider of catching up with what is appended meanwhile; each is much shorter than the one before. */
const roundsMax = 8;

/** On a full disk so much garbage is worth an attempt, and this is the pause after one that has gained nothing. */
const fullGarbageBytesMin = 64 * 1024;
const fullPauseMs = 60_000;

/** Removes garbage from the log while it goes on growing. */
export class Compactor {
  readonly #state: LogState;
  readonly #turn: RewriteTurn;
  #run: Promise<void> | undefined;
  /** A smaller log is not tried again: the last attempt has left it as it is. */
  #nextBytes = fileBytesMin;
  #endedMs = Number.NEGATIVE_INFINITY;
  #openCopies = 0;
  #copiesClosed: PromiseWithResolvers<void> | undefined;

  constructor(state: LogState, turn: RewriteTurn) {
    this.#state = state;
    this.#turn = turn;
  }

  /** Compacts now, or joins what is under way. */
  compact(): Promise<void> {
    this.#run ??= this.#compact().finally(() => {
      this.#run = undefined;
      const { endBytes, options } = this.#state;
      this.#endedMs = options.clock.monotonicMs();
      this.#nextBytes = endBytes + Math.max(fileBytesMin, endBytes / 4);
    });
    return this.#run;
  }

  /** Begins a compaction when it is worth it. */
  consider(): void {
    const { garbageBytes, endBytes, committedSeq, base, condition, failure, full, isClosed, options } =
      this.#state;
    if (this.#run !== undefined || this.#openCopies > 0 || this.#turn.isTaken) return;
    if (condition.kind === "damaged" || failure !== undefined || isClosed) return;
    if (committedSeq <= base.seq) return;
    if (full === undefined) {
      if (endBytes < this.#nextBytes || garbageBytes * 2 < endBytes) return;
    } else if (
      garbageBytes < fullGarbageBytesMin ||
      options.clock.monotonicMs() - this.#endedMs < fullPauseMs
    ) {
      return;
    }
    this.compact().catch((error: unknown) => {
      if (error instanceof LogStoreError && error.code !== "full") return;
      const said = error instanceof Error ? error.message : String(error);
      options.log(`${options.dbfile} could not be compacted and grows on: ${said}`);
    });
  }

  /** Puts compaction off. Returns how to end that. */
  hold(): () => void {
    this.#openCopies++;
    this.#copiesClosed ??= Promise.withResolvers<void>();
    return () => {
      this.#openCopies--;
      if (this.#openCopies > 0) return;
      this.#copiesClosed?.resolve();
      this.#copiesClosed = undefined;
    };
  }

  async #compact(): Promise<void> {
    let isDone = false;
    while (!isDone) {
      this.#state.checkWritable();
      await this.#copiesClosed?.promise;
      let isGivenUp = false;
      let isRoomNeeded = false;
      const endTurn = await this.#turn.takeWhenFree((forRoom) => {
        isGivenUp = true;
        isRoomNeeded ||= forRoom;
      });
      try {
        isDone = await this.#tryCompact(() => isGivenUp);
      } finally {
        endTurn();
      }
      if (!isDone && isRoomNeeded) throw new LogStoreError("full", "its room was needed for writes");
    }
  }

  /** Returns whether it got to the end. */
  async #tryCompact(isGivenUp: () => boolean): Promise<boolean> {
    const state = this.#state;
    const { base, committedSeq, durable, legacySeq, live } = state;
    const seq = Math.max(Math.min(committedSeq, durable.seq, beforeHistory(state)), legacySeq);
    // Nothing that is certain to stay has come since the last time.
    if (seq <= base.seq) return true;
    const rewrite = await Rewrite.begin(state, {
      identity: state.identity,
      horizon: positionAt(state, seq),
      // What has been overwritten since, for good, need not be kept for its old place.
      keeps: (key, recordSeq) => live.mayBeLive(key, recordSeq, Math.max(seq, state.committedSeq)),
      check: () => {
        state.checkOpen();
        if (isGivenUp()) throw new GivenUp();
      },
    });
    try {
      await rewrite.copySnapshot();
      await this.#catchUp(rewrite);
      await state.lane.run(() => this.#finish(rewrite));
      return true;
    } catch (error) {
      await rewrite.abandon();
      if (error instanceof GivenUp) return false;
      if (isNoRoom(error)) {
        throw new LogStoreError("full", LogFileError.from(state.options.rbfile, "write it", error).message, {
          cause: error,
        });
      }
      throw error;
    }
  }

  async #catchUp(rewrite: Rewrite): Promise<void> {
    for (let round = 0; round < roundsMax; round++) {
      await rewrite.copyTail(this.#state.endBytes);
      await rewrite.sync();
      if (rewrite.behind(this.#state.endBytes) < lastStepBytes) return;
    }
  }

  /** The only step that appends wait for. */
  async #finish(rewrite: Rewrite): Promise<void> {
    const state = this.#state;
    await rewrite.copyTail(state.endBytes);
    await rewrite.sync();
    await rewrite.replace(() => rewrite.relocate());
  }
}

/** The last record that is not in the history. */
function beforeHistory({ durable, endBytes, offsetIndex, options: { historyBytes } }: LogState): number {
  if (historyBytes === 0) return durable.seq;
  return (offsetIndex.seqBefore(endBytes - historyBytes) ?? 1) - 1;
}

class GivenUp extends Error {}
