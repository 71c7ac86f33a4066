import { messageOf } from "../../../common/message-of.ts";
import type { LogFile } from "../log-file.ts";
import { pace } from "../rewrite/beside-calls.ts";
import type { RewriteSlot } from "../rewrite/rewrite-slot.ts";
import type { LogState } from "../state.ts";
import { indexPaths } from "./contents.ts";
import { type Pace, writeIndex } from "./write-index.ts";

/** While it runs, a log gets another index file when it has grown by so many times what it must have to get one at all. */
const growthFactor = 16;

/** Writes the index file of a log: when the log has none that fits, when it has grown, and at its end. */
export class Indexer {
  readonly #state: LogState;
  readonly #slot: RewriteSlot;
  #isRunning = false;
  /** The last attempt: it is not repeated before there is as much to gain as by another file. */
  #tried: { readonly file: LogFile; readonly logBytes: number } | undefined;

  constructor(state: LogState, slot: RewriteSlot) {
    this.#state = state;
    this.#slot = slot;
  }

  /** Begins to write the index file when it is worth it. */
  consider(): void {
    const { health, file, options } = this.#state;
    if (this.#isRunning || this.#slot.isTaken || health.isClosed || health.full !== undefined) return;
    const growth = Math.max(growthFactor * options.indexedBytesMin, file.indexed?.indexBytes ?? 0);
    if (!this.#isWorth(growth) || !this.#isPossible) return;
    this.#isRunning = true;
    void this.#writeBeside().finally(() => {
      this.#isRunning = false;
    });
  }

  /** The log takes nothing more: writes the index file, if the present one leaves much to be read. The slot is taken. */
  async finish(): Promise<void> {
    this.#tried = undefined;
    const growth = Math.max(
      this.#state.options.indexedBytesMin,
      (this.#state.file.indexed?.indexBytes ?? 0) / 8,
    );
    if (this.#isWorth(growth) && this.#isPossible)
      await this.#write({ check: () => {}, rest: async () => {} });
  }

  /** A log without index file is worth one as soon as it has some size. */
  #isWorth(growth: number): boolean {
    const { file, options } = this.#state;
    const tried = this.#tried?.file === file ? this.#tried.logBytes : 0;
    const covered = Math.max(file.indexed?.logBytes ?? 0, tried);
    return file.endBytes - covered >= (covered === 0 ? options.indexedBytesMin : growth);
  }

  /**
   * What an index file does not tell are deletions that others could still ask for: so everything visible must be known
   * as committed. And of requests it tells only those up to there.
   */
  get #isPossible(): boolean {
    const { file, health, positions, forgottenRequests } = this.#state;
    if (file.identity === undefined || file.isCopy || file.legacySeq > 0) return false;
    if (health.isDamaged || health.failure !== undefined) return false;
    const { seq } = positions.visible;
    return positions.committedSeq >= seq && forgottenRequests.forgottenSeq <= seq;
  }

  async #writeBeside(): Promise<void> {
    let isGivenUp = false;
    const free = await this.#slot.takeWhenFree(() => {
      isGivenUp = true;
    });
    try {
      await this.#write({
        check: () => {
          if (isGivenUp) throw new GivenUp();
        },
        rest: pace(this.#state),
      });
    } finally {
      free();
    }
  }

  /** The log is whole without its index file: no error is one of the log. */
  async #write(pace: Pace): Promise<void> {
    const { file, options } = this.#state;
    this.#tried = { file, logBytes: file.endBytes };
    try {
      await writeIndex(this.#state, pace);
    } catch (error) {
      if (error instanceof GivenUp) return;
      options.log(
        `${indexPaths(options.dbfile).path} could not be written: ${messageOf(error)}; the log is whole without it`,
      );
    }
  }
}

class GivenUp extends Error {}
