import { messageOf } from "../../../common/message-of.ts";
import { isNoRoom } from "../../../common/no-room.ts";
import type { Turn } from "../../../common/serial-queue.ts";
import { LogFileError, LogStoreError } from "../errors.ts";
import type { LogFile } from "../log-file.ts";
import type { LogState } from "../state.ts";
import { pace } from "./beside-calls.ts";
import { Rewrite } from "./rewrite.ts";
import type { RewriteSlot } from "./rewrite-slot.ts";

/** Smaller logs are left as they are: nothing would be gained. */
const fileBytesMin = 1024 * 1024;

/** What may be left to copy when appends are stopped for the last step: read and written within a millisecond. */
const lastStepBytes = 64 * 1024;

/** Rounds of catching up with what is appended meanwhile; each is much shorter than the one before. */
const roundsMax = 8;

/** On a full disk so much garbage is worth an attempt, and this is the pause after one that has gained nothing. */
const fullGarbageBytesMin = 64 * 1024;
const fullPauseMs = 60_000;

/** Removes garbage from the log while it goes on growing. */
export class Compactor {
  readonly #state: LogState;
  readonly #slot: RewriteSlot;
  #run: Promise<void> | undefined;
  /** What the last attempt has left as it is. */
  #tried: { readonly file: LogFile; readonly endBytes: number; readonly garbageBytes: number } | undefined;
  #endedMs = Number.NEGATIVE_INFINITY;
  #openSnapshots = 0;
  #snapshotsClosed: PromiseWithResolvers<void> | undefined;

  constructor(state: LogState, slot: RewriteSlot) {
    this.#state = state;
    this.#slot = slot;
  }

  /** Compacts now, or joins what is under way. */
  compact(): Promise<void> {
    this.#run ??= this.#compact().finally(() => {
      this.#run = undefined;
      const { file, garbageBytes, options } = this.#state;
      this.#endedMs = options.clock.monotonicMs();
      this.#tried = { file, endBytes: file.endBytes, garbageBytes };
    });
    return this.#run;
  }

  /** Begins a compaction when it is worth it. */
  consider(): void {
    if (this.#run !== undefined || this.#openSnapshots > 0 || this.#slot.isTaken || !this.#isWorthIt())
      return;
    this.compact().catch((error: unknown) => {
      if (error instanceof LogStoreError && error.code !== "full") return;
      const { options } = this.#state;
      options.log(`${options.dbfile} could not be compacted and grows on: ${messageOf(error)}`);
    });
  }

  #isWorthIt(): boolean {
    const { garbageBytes, file, positions, health, options } = this.#state;
    if (health.isDamaged || health.failure !== undefined || health.isClosed) return false;
    if (positions.committedSeq <= positions.base.seq) return false;
    if (health.full === undefined) {
      return file.endBytes >= fileBytesMin && garbageBytes * 2 >= file.endBytes && this.#hasGrown;
    }
    const restedMs = options.clock.monotonicMs() - this.#endedMs;
    return garbageBytes >= fullGarbageBytesMin && restedMs >= fullPauseMs;
  }

  /** Whether so much has come since the last attempt, or has been deleted, that another one may gain something. */
  get #hasGrown(): boolean {
    const { file, garbageBytes } = this.#state;
    const tried = this.#tried;
    if (tried?.file !== file) return true;
    const grownBytes = Math.max(file.endBytes - tried.endBytes, garbageBytes - tried.garbageBytes);
    return grownBytes >= Math.max(fileBytesMin, tried.endBytes / 4);
  }

  /** Puts compaction off. Returns how to end that. */
  hold(): () => void {
    this.#openSnapshots++;
    this.#snapshotsClosed ??= Promise.withResolvers<void>();
    return () => {
      this.#openSnapshots--;
      if (this.#openSnapshots > 0) return;
      this.#snapshotsClosed?.resolve();
      this.#snapshotsClosed = undefined;
    };
  }

  async #compact(): Promise<void> {
    let isDone = false;
    while (!isDone) {
      this.#state.health.checkWritable();
      await this.#snapshotsClosed?.promise;
      let isGivenUp = false;
      let isRoomNeeded = false;
      const free = await this.#slot.takeWhenFree((forRoom) => {
        isGivenUp = true;
        isRoomNeeded ||= forRoom;
      });
      try {
        isDone = await this.#tryCompact(() => isGivenUp);
      } finally {
        free();
      }
      if (!isDone && isRoomNeeded) throw new LogStoreError("full", "its room was needed for writes");
    }
  }

  /** Returns whether it got to the end. */
  async #tryCompact(isGivenUp: () => boolean): Promise<boolean> {
    const state = this.#state;
    const { positions, keys } = state;
    const { base, committedSeq, durable } = positions;
    const seq = Math.max(Math.min(committedSeq, durable.seq, beforeHistory(state)), state.file.legacySeq);
    // Nothing that is certain to stay has come since the last time.
    if (seq <= base.seq) return true;
    const pause = pace(state);
    const rest = async () => {
      // On a full disk writes wait for it.
      if (state.health.full === undefined) await pause();
    };
    const rewrite = await Rewrite.begin(state, {
      horizon: positions.at(seq),
      // What has been overwritten since, for good, need not be kept for its old place.
      keeps: (key, recordSeq) => keys.mayBeLive(key, recordSeq, Math.max(seq, positions.committedSeq)),
      check: () => {
        state.health.checkOpen();
        if (isGivenUp()) throw new GivenUp();
      },
      rest,
    });
    try {
      await rewrite.copySnapshot();
      await this.#catchUp(rewrite, rest);
      await state.inTurn((turn) => this.#finish(rewrite, turn));
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

  async #catchUp(rewrite: Rewrite, rest: () => Promise<void>): Promise<void> {
    for (let round = 0; round < roundsMax; round++) {
      await rewrite.copyTail(this.#state.file.endBytes, rest);
      await rewrite.sync();
      if (rewrite.behind(this.#state.file.endBytes) < lastStepBytes) return;
    }
  }

  /** The only step that appends wait for. */
  async #finish(rewrite: Rewrite, turn: Turn): Promise<void> {
    await rewrite.copyTail(this.#state.file.endBytes);
    await rewrite.sync();
    await rewrite.replace(turn);
  }
}

/** The last record that is not in the history. */
function beforeHistory({ positions, file, options: { historyBytes } }: LogState): number {
  if (historyBytes === 0) return positions.durable.seq;
  return (file.offsets.seqBefore(file.endBytes - historyBytes) ?? 1) - 1;
}

class GivenUp extends Error {}
