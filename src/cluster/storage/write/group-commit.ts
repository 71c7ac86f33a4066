import { isNoRoom } from "../../../common/no-room.ts";
import type { Turn } from "../../../common/serial-queue.ts";
import type { FileLock } from "../disk/disk.ts";
import { LogStoreError } from "../errors.ts";
import { type ControlLine, formatControlLine } from "../format/control-line.ts";
import type { RecordPlace } from "../read/tail-cache.ts";
import type { RewriteSlot } from "../rewrite/rewrite-slot.ts";
import type { LogState, WrittenBatch } from "../state.ts";
import { isDone, nothing, type Progress, Waiters } from "./waiters.ts";
import { WriteBuffer } from "./write-buffer.ts";

/**
 * Bytes that are written and synced together, about. A larger amount is split, and each part is synced before the next
 * is written: so a crash leaves at most one of them unfinished, and nothing good after it.
 */
const batchBytesMax = 4 * 1024 * 1024;

/**
 * The lock file is looked at beside a sync, but not beside each: that would cost more than the write. A process that
 * finds it gone takes longer to start.
 */
const lockCheckMs = 50;

/** Group commit: one write and one sync for all records, and the promise, that wait while the last one is under way. */
export class GroupCommit {
  readonly #state: LogState;
  readonly #lock: FileLock;
  #lockSeenMs = Number.NEGATIVE_INFINITY;
  readonly #slot: RewriteSlot;
  readonly #buffer: WriteBuffer;
  readonly #waiters = new Waiters();
  #isAwake = false;
  /** Highest epoch that `promise` was called with. Records bear theirs themselves. */
  #epochToWrite = 0;
  /** Latest life that was begun. */
  #lifeToWrite = 0n;
  /** When something was last done for those who wait, or the first of them came. */
  #progressMs = 0;
  /** Whether a rewrite was asked to give up its room for what waits. */
  #hasAskedForRoom = false;

  constructor(state: LogState, lock: FileLock, slot: RewriteSlot) {
    this.#state = state;
    this.#lock = lock;
    this.#slot = slot;
    this.#buffer = new WriteBuffer(state.file.file);
  }

  /** Resolves when all records up to `seq` are on disk. */
  untilDurable(seq: number): Promise<void> {
    return this.#wait({ ...nothing, seq });
  }

  /** Resolves when the promise of `epoch` is on disk. */
  untilPromised(epoch: number): Promise<void> {
    this.#epochToWrite = Math.max(this.#epochToWrite, epoch);
    return this.#wait({ ...nothing, epoch });
  }

  /** Resolves when it is on disk that this life has begun. */
  untilBegun(life: bigint): Promise<void> {
    if (life > this.#lifeToWrite) this.#lifeToWrite = life;
    return this.#wait({ ...nothing, life });
  }

  /** How long the disk has done nothing for those who wait; 0 when nobody waits. */
  get stalledMs(): number {
    return this.#waiters.isEmpty ? 0 : this.#nowMs() - this.#progressMs;
  }

  /** Resolves when all that waits was written, or has failed. */
  async flush(): Promise<void> {
    await Promise.allSettled([
      this.untilDurable(this.#state.positions.last.seq),
      this.untilPromised(this.#epochToWrite),
      this.untilBegun(this.#lifeToWrite),
    ]);
  }

  /** Tells those who wait for records after `seq` that these will never be there. */
  drop(seq: number): void {
    this.#waiters.drop(
      seq,
      (dropped) => new LogStoreError("dropped", `record ${dropped} was dropped before it was on disk`),
    );
  }

  /** Tells waiters what has become of what they wait for. */
  settle(): void {
    this.#waiters.settle(this.#progress, this.#state.health.failure);
  }

  #wait(wanted: Progress): Promise<void> {
    if (this.#waiters.isEmpty) this.#progressMs = this.#nowMs();
    const waiting = this.#waiters.wait(wanted);
    if (isDone(wanted, this.#progress)) this.settle();
    else this.#wake();
    return waiting;
  }

  get #progress(): Progress {
    const { positions, file } = this.#state;
    return { seq: positions.durable.seq, epoch: positions.promisedOnDisk, life: file.life ?? 0n };
  }

  #nowMs(): number {
    return this.#state.options.clock.monotonicMs();
  }

  #wake(): void {
    if (this.#isAwake) return;
    this.#isAwake = true;
    const state = this.#state;
    void state
      .inTurn((turn) => this.#write(turn))
      .catch((error: unknown) => void state.health.fail("write to", error))
      .then(async (rewrite) => {
        await rewrite?.over;
        this.#isAwake = false;
        this.#progressMs = this.#nowMs();
        this.settle();
        if (!this.#waiters.isEmpty) this.#wake();
      });
  }

  /** Returns the rewrite whose room is needed, and whose end must be waited for before the next attempt. */
  async #write(turn: Turn): Promise<{ readonly over: Promise<void> } | undefined> {
    const state = this.#state;
    if (state.health.failure !== undefined) return undefined;
    const { file } = state.file;
    const batch = this.#gather();
    if (this.#buffer.gatheredBytes === 0) return undefined;
    try {
      await this.#buffer.flush();
    } catch (error) {
      if (!isNoRoom(error)) throw error;
      return await this.#cutBack(turn, error);
    }
    this.#hasAskedForRoom = false;
    state.written(turn, batch);
    const [isLocked] = await Promise.all([this.#isLocked(), file.datasync()]);
    if (!isLocked) throw new Error("its lock file was removed or replaced, so that others can use it, too");
    state.synced(turn, { ...batch, checksum: this.#buffer.checksum });
    return undefined;
  }

  /** Puts what waits into the buffer, as much as is written at once. */
  #gather(): Omit<WrittenBatch, "checksum"> {
    const { file, positions, health, tail } = this.#state;
    const buffer = this.#buffer;
    buffer.moveTo(file.file, file.endBytes, file.checksum);
    const epoch = this.#epochToWrite;
    const life = this.#lifeToWrite;
    const isNewEpoch = epoch > positions.promisedOnDisk;
    const isNewLife = life > (file.life ?? 0n);
    // A damaged log may end without a line end, and would swallow the next line.
    if ((isNewEpoch || isNewLife) && health.isDamaged) buffer.addLine("\n");
    const addLine = (line: ControlLine) => buffer.addLine(formatControlLine(line, buffer.gatheredBytes));
    if (isNewEpoch) addLine({ kind: "promise", epoch });
    if (isNewLife) addLine({ kind: "life", life });
    const places: RecordPlace[] = [];
    let last = positions.durable;
    while (buffer.gatheredBytes < batchBytesMax) {
      const next = tail.at(last.seq + 1);
      if (next === undefined) break;
      const { record } = next;
      places.push({ offset: buffer.end, entryBytes: buffer.addRecord(record, buffer.gatheredBytes) });
      last = record;
    }
    return {
      places,
      last,
      endBytes: buffer.end,
      promisedEpoch: Math.max(epoch, last.epoch),
      life: isNewLife ? life : undefined,
    };
  }

  /**
   * There was no room. What waits is withdrawn, unless a rewrite can be asked to give up its room first. Durably: what
   * is refused now must not be found in the file after a crash.
   */
  async #cutBack(turn: Turn, cause: unknown): Promise<{ readonly over: Promise<void> } | undefined> {
    const state = this.#state;
    const { file, endBytes } = state.file;
    await file.truncate(endBytes);
    await file.datasync();
    // What has begun without room has taken none: it may be the compaction that is to make some.
    const isInVain = this.#hasAskedForRoom || state.health.full !== undefined;
    const rewrite = isInVain ? undefined : this.#slot.askToGiveUp();
    this.#hasAskedForRoom = rewrite !== undefined;
    if (rewrite !== undefined) return rewrite;
    const reason = state.health.noRoom("write to it", cause);
    const { durable, last } = state.positions;
    if (last.seq > durable.seq) state.withdraw(turn, durable.seq, reason);
    this.#waiters.settle(this.#progress, reason);
    return undefined;
  }

  async #isLocked(): Promise<boolean> {
    const nowMs = this.#nowMs();
    if (nowMs - this.#lockSeenMs < lockCheckMs) return true;
    this.#lockSeenMs = nowMs;
    return await this.#lock.isHeld();
  }
}
