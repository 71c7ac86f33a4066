import { isNoRoom } from "../../../common/no-room.ts";
import type { FileLock } from "../disk/disk.ts";
import { LogStoreError } from "../errors.ts";
import { type ControlLine, formatControlLine } from "../format/control-line.ts";
import type { RewriteTurn } from "../rewrite/rewrite-turn.ts";
import { dropUnwritten } from "../rewrite/truncate.ts";
import type { LogState } from "../state.ts";
import { WriteBuffer } from "./write-buffer.ts";

/**
 * Bytes that are written and synced together, about. More is split, each part synced before the next is written: so
 * a crash leaves at most one of them unfinished, and nothing good after it.
 */
const batchBytesMax = 4 * 1024 * 1024;

/**
 * The lock file is looked at beside a sync, but not beside each: that would cost more than the write. A process that
 * finds it gone takes longer to start.
 */
const lockCheckMs = 50;

interface Waiter {
  readonly seq: number;
  readonly epoch: number;
  readonly life: bigint;
  readonly resolve: () => void;
  readonly reject: (error: LogStoreError) => void;
}

/** Group commit: one write and one sync for all records, and the promise, that wait while the last one is under way. */
export class GroupCommit {
  readonly #state: LogState;
  readonly #lock: FileLock;
  #lockSeenMs = Number.NEGATIVE_INFINITY;
  readonly #turn: RewriteTurn;
  readonly #buffer: WriteBuffer;
  #waiters: Waiter[] = [];
  #isAwake = false;
  /** Highest epoch that `promise` was called with: records bear theirs themselves. */
  #epochToWrite = 0;
  /** Latest life that was begun. */
  #lifeToWrite = 0n;
  /** When something was last done for those who wait, or the first of them came. */
  #progressMs = 0;
  /** Whether a rewriting has been asked to give its room to what waits. */
  #hasAskedForRoom = false;

  constructor(state: LogState, lock: FileLock, turn: RewriteTurn) {
    this.#state = state;
    this.#lock = lock;
    this.#turn = turn;
    this.#buffer = new WriteBuffer(state.file.file, state.endBytes);
  }

  /** Resolves when all records up to `seq` are on disk. */
  untilDurable(seq: number): Promise<void> {
    return this.#wait({ seq });
  }

  /** Resolves when the promise of `epoch` is on disk. */
  untilPromised(epoch: number): Promise<void> {
    this.#epochToWrite = Math.max(this.#epochToWrite, epoch);
    return this.#wait({ epoch });
  }

  /** Resolves when it is on disk that this life has begun. */
  untilBegun(life: bigint): Promise<void> {
    if (life > this.#lifeToWrite) this.#lifeToWrite = life;
    return this.#wait({ life });
  }

  /** For how long the disk has done nothing for those who wait; 0 when nobody does. */
  get stalledMs(): number {
    if (this.#waiters.length === 0) return 0;
    return this.#state.options.clock.monotonicMs() - this.#progressMs;
  }

  /** Resolves when all that waits has been written, or has failed. */
  async flush(): Promise<void> {
    await Promise.allSettled([
      this.untilDurable(this.#state.last.seq),
      this.untilPromised(this.#epochToWrite),
      this.untilBegun(this.#lifeToWrite),
    ]);
  }

  /** Tells those who wait for records after `seq` that these will never be there. */
  drop(seq: number): void {
    this.#refuse(
      (waiter) => waiter.seq > seq,
      ({ seq }) => new LogStoreError("dropped", `record ${seq} was dropped before it was on disk`),
    );
  }

  async #isLocked(): Promise<boolean> {
    const nowMs = this.#state.options.clock.monotonicMs();
    if (nowMs - this.#lockSeenMs < lockCheckMs) return true;
    this.#lockSeenMs = nowMs;
    return await this.#lock.isHeld();
  }

  #refuse(isMeant: (waiter: Waiter) => boolean, reason: (waiter: Waiter) => LogStoreError): void {
    const refused = this.#waiters.filter(isMeant);
    this.#waiters = this.#waiters.filter((waiter) => !isMeant(waiter));
    for (const waiter of refused) waiter.reject(reason(waiter));
  }

  /** Tells waiters what has become of what they wait for. */
  settle(): void {
    const { failure } = this.#state;
    const waiting: Waiter[] = [];
    for (const waiter of this.#waiters) {
      if (this.#isDone(waiter)) waiter.resolve();
      else if (failure !== undefined) waiter.reject(failure);
      else waiting.push(waiter);
    }
    this.#waiters = waiting;
  }

  #wait({ seq = 0, epoch = 0, life = 0n }: Partial<Waiter>): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#waiters.length === 0) this.#progressMs = this.#state.options.clock.monotonicMs();
      const waiter = { seq, epoch, life, resolve, reject };
      this.#waiters.push(waiter);
      if (this.#isDone(waiter)) this.settle();
      else this.#wake();
    });
  }

  #isDone({ seq, epoch, life }: Waiter): boolean {
    const { durable, promisedOnDisk } = this.#state;
    return seq <= durable.seq && epoch <= promisedOnDisk && life <= (this.#state.life ?? 0n);
  }

  #wake(): void {
    if (this.#isAwake) return;
    this.#isAwake = true;
    void this.#state.lane
      .run(() => this.#write())
      .catch((error: unknown) => void this.#state.fail("write to", error))
      .then(async (rewriting) => {
        await rewriting?.over;
        this.#isAwake = false;
        this.#progressMs = this.#state.options.clock.monotonicMs();
        this.settle();
        if (this.#waiters.length > 0) this.#wake();
      });
  }

  /** Returns the rewriting whose room is needed, and whose end must be waited for before the next attempt. */
  async #write(): Promise<{ readonly over: Promise<void> } | undefined> {
    const state = this.#state;
    if (state.failure !== undefined) return undefined;
    const { file } = state.file;
    const buffer = this.#buffer;
    buffer.moveTo(file, state.endBytes);
    const epoch = this.#epochToWrite;
    const life = this.#lifeToWrite;
    const isNewEpoch = epoch > state.promisedOnDisk;
    const isNewLife = life > (state.life ?? 0n);
    // What ends without a line end would swallow the line.
    if ((isNewEpoch || isNewLife) && state.condition.kind === "damaged") buffer.addLine("\n");
    const addLine = (line: ControlLine) => buffer.addLine(formatControlLine(line, buffer.gatheredBytes));
    if (isNewEpoch) addLine({ kind: "promise", epoch });
    if (isNewLife) addLine({ kind: "life", life });
    let { durable } = state;
    const recordsFrom = buffer.end;
    while (buffer.gatheredBytes < batchBytesMax) {
      const placed = state.recent.at(durable.seq + 1);
      if (placed === undefined) break;
      placed.offset = buffer.end;
      placed.entryBytes = buffer.addRecord(placed.record, buffer.gatheredBytes);
      durable = placed.record;
      state.offsetIndex.add(durable.seq, placed.offset);
    }
    if (buffer.gatheredBytes === 0) return undefined;
    const recordBytes = durable.seq > state.durable.seq ? buffer.end - recordsFrom : 0;
    try {
      await buffer.flush();
    } catch (error) {
      if (!isNoRoom(error)) throw error;
      return await this.#cutBack(error);
    }
    this.#hasAskedForRoom = false;
    state.hasRoom();
    state.written = { epoch: durable.epoch, seq: durable.seq };
    for (const listener of state.endListeners) listener.written();
    const [isLocked] = await Promise.all([this.#isLocked(), file.datasync()]);
    if (!isLocked) throw new Error("its lock file was removed or replaced, so that others can use it, too");
    state.endBytes = buffer.end;
    state.invisibleBytes += recordBytes;
    state.durable = { epoch: durable.epoch, seq: durable.seq };
    state.promisedOnDisk = Math.max(state.promisedOnDisk, epoch, durable.epoch);
    if (isNewLife) state.life = life;
    state.advance();
    return undefined;
  }

  /**
   * There was no room. What waits is withdrawn, unless a rewriting can be asked to give its room up first. Durably:
   * what is refused now must not be found in the file after a crash.
   */
  async #cutBack(cause: unknown): Promise<{ readonly over: Promise<void> } | undefined> {
    const state = this.#state;
    const { file } = state.file;
    await file.truncate(state.endBytes);
    await file.datasync();
    state.offsetIndex.truncate(state.durable.seq);
    const rewriting = this.#hasAskedForRoom ? undefined : this.#turn.askToGiveUp();
    this.#hasAskedForRoom = rewriting !== undefined;
    if (rewriting !== undefined) return rewriting;
    const reason = state.noRoom("write to it", cause);
    const { seq } = state.durable;
    if (state.last.seq > seq) {
      dropUnwritten(state, seq);
      for (const listener of state.endListeners) listener.withdrawn(seq, reason);
    }
    this.#refuse(
      (waiter) => !this.#isDone(waiter),
      () => reason,
    );
    return undefined;
  }
}
