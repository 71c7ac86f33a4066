import type { FileLock } from "./disk/disk.ts";
import { checkRecord } from "./format/record-check.ts";
import type { KeyFacts, KeyRange, ScanReader, StoredValue } from "./key-view.ts";
import type { LogStore } from "./log-store.ts";
import type { EpochStart, LogCondition, LogIdentity, LogOwner, LogRecord, Position } from "./model.ts";
import { openScan } from "./read/range-scan.ts";
import { readSnapshot } from "./read/snapshot-reader.ts";
import { readRecords, readValue, valueLater } from "./read/values.ts";
import type { LogEndListener, SnapshotHead, SnapshotReader, SnapshotWriter } from "./replica-log.ts";
import { adoptLog } from "./rewrite/adopt.ts";
import { Compactor } from "./rewrite/compaction.ts";
import { positionAt } from "./rewrite/rewrite.ts";
import { RewriteTurn } from "./rewrite/rewrite-turn.ts";
import { beginSnapshot } from "./rewrite/snapshot-writer.ts";
import { cutFile, dropUnwritten } from "./rewrite/truncate.ts";
import type { LogState } from "./state.ts";
import { GroupCommit } from "./write/group-commit.ts";

/** An open log. */
export class Store implements LogStore {
  readonly #state: LogState;
  readonly #writer: GroupCommit;
  readonly #turn = new RewriteTurn();
  readonly #compactor: Compactor;
  readonly #lock: FileLock;
  #closing: Promise<void> | undefined;

  constructor(state: LogState, lock: FileLock) {
    this.#state = state;
    this.#writer = new GroupCommit(state, lock, this.#turn);
    this.#compactor = new Compactor(state, this.#turn);
    this.#lock = lock;
  }

  get identity(): LogIdentity | undefined {
    return this.#state.identity;
  }
  get condition(): LogCondition {
    return this.#state.condition;
  }
  get isCopy(): boolean {
    return this.#state.isCopy;
  }
  get life(): string | undefined {
    return this.#state.life?.toString();
  }
  get last(): Position {
    return this.#state.last;
  }
  get durable(): Position {
    return this.#state.durable;
  }
  get written(): Position {
    return this.#state.written;
  }
  get full(): string | undefined {
    return this.#state.full?.message;
  }
  get stalledMs(): number {
    return this.#writer.stalledMs;
  }
  get base(): Position {
    return this.#state.base;
  }
  get epochs(): readonly EpochStart[] {
    return this.#state.epochs;
  }
  get promisedEpoch(): number {
    return this.#state.promisedEpoch;
  }
  get keyCount(): number {
    return this.#state.live.index.size;
  }
  get fileBytes(): number {
    return this.#state.endBytes;
  }
  get garbageBytes(): number {
    return this.#state.garbageBytes;
  }

  async adopt(owner: LogOwner): Promise<void> {
    const state = this.#state;
    // What nobody can use any more is kept beside by this, damaged as it is.
    if (state.hasLostHeader || state.isCopy) state.checkOpen();
    else state.checkWritable();
    await this.#rewriting(() => adoptLog(state, owner));
  }

  async beginLife(incarnation: string): Promise<void> {
    this.#state.checkOpen();
    await this.#writer.untilBegun(BigInt(incarnation));
  }

  async promise(epoch: number): Promise<void> {
    const state = this.#state;
    state.checkOpen();
    state.promisedEpoch = Math.max(state.promisedEpoch, epoch);
    if (epoch > state.promisedOnDisk) await this.#writer.untilPromised(epoch);
  }

  check(record: LogRecord): void {
    this.#state.checkWritable();
    checkRecord(record);
  }

  async append(records: readonly LogRecord[]): Promise<void> {
    const state = this.#state;
    state.checkWritable();
    this.#checkAppend(records);
    for (const record of records) {
      if (record.epoch > state.last.epoch) {
        state.epochs = [...state.epochs, { epoch: record.epoch, firstSeq: record.seq }];
      }
      state.last = { epoch: record.epoch, seq: record.seq };
      state.recent.push({ record, offset: 0, entryBytes: [] });
      state.live.note(record);
      state.requests.note(record.requestId, record.seq);
    }
    state.promisedEpoch = Math.max(state.promisedEpoch, state.last.epoch);
    try {
      if (state.durable.seq < state.last.seq) await this.#writer.untilDurable(state.last.seq);
    } finally {
      this.#compactor.consider();
    }
  }

  commit(seq: number): void {
    const state = this.#state;
    if (seq > state.last.seq)
      throw new RangeError(`commit of record ${seq}; the last one is ${state.last.seq}`);
    if (seq <= state.committedSeq) return;
    state.committedSeq = seq;
    state.advance();
    this.#compactor.consider();
  }

  async get(key: string): Promise<StoredValue | undefined> {
    this.#state.checkReadable();
    return await readValue(this.#state, key);
  }

  valueLater(key: string): (() => Promise<StoredValue | undefined>) | undefined {
    return valueLater(this.#state, key);
  }

  get visible(): Position {
    return positionAt(this.#state, this.#state.visibleSeq);
  }

  onVisible(listener: (record: LogRecord) => void): () => void {
    const { listeners } = this.#state;
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  onEnd(listener: LogEndListener): () => void {
    const { endListeners } = this.#state;
    endListeners.add(listener);
    return () => endListeners.delete(listener);
  }

  pendingFacts(key: string): KeyFacts | undefined {
    return this.#state.live.pendingFacts(key);
  }

  expired(nowMs: number, max: number, range: KeyRange = {}): string[] {
    return this.#state.live.expired(nowMs, max, range);
  }

  seqOfRequest(requestId: string): number | undefined {
    return this.#state.requests.seqOf(requestId);
  }

  get requestsAfter(): number {
    return this.#state.requests.after;
  }

  openScan(range: KeyRange): ScanReader {
    this.#state.checkReadable();
    return openScan(this.#state, range);
  }

  keys(): IterableIterator<string> {
    return this.#state.live.index.keys();
  }

  async read(afterSeq: number, maxBytes: number): Promise<LogRecord[] | undefined> {
    this.#state.checkReadable();
    return await readRecords(this.#state, afterSeq, maxBytes);
  }

  async truncate(seq: number): Promise<void> {
    const state = this.#state;
    state.checkWritable();
    await this.#rewriting(async () => {
      if (seq >= state.last.seq) return;
      // The base is committed, too. What is committed may have been the reason to forget what was before.
      if (seq < state.committedSeq) {
        throw new RangeError(
          `cut after record ${seq}; only those after ${state.committedSeq} can be dropped`,
        );
      }
      if (seq < state.durable.seq) await cutFile(state, seq);
      else dropUnwritten(state, seq);
      this.#writer.drop(seq);
    });
  }

  async openSnapshot(): Promise<SnapshotReader> {
    this.#state.checkWritable();
    return readSnapshot(this.#state, this.#compactor.hold());
  }

  async beginSnapshot(head: SnapshotHead): Promise<SnapshotWriter> {
    this.#state.checkOpen();
    return await beginSnapshot(this.#state, this.#turn, this.#writer, head);
  }

  async compact(): Promise<void> {
    await this.#compactor.compact();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const state = this.#state;
    state.isClosed = true;
    await this.#turn.take(() => {});
    await this.#writer.flush();
    await state.lane.run(() => state.file.release());
    await this.#lock.release();
  }

  /** Runs what needs the log to stand still while it makes a new file of it. */
  async #rewriting(action: () => Promise<void>): Promise<void> {
    const endTurn = await this.#turn.take(() => {});
    try {
      await this.#state.lane.run(action);
    } finally {
      endTurn();
      this.#writer.settle();
    }
  }

  #checkAppend(records: readonly LogRecord[]): void {
    let { epoch, seq } = this.#state.last;
    for (const record of records) {
      if (record.seq !== seq + 1 || record.epoch < epoch) {
        throw new RangeError(`record ${record.epoch}.${record.seq} cannot follow ${epoch}.${seq}`);
      }
      checkRecord(record);
      ({ epoch, seq } = record);
    }
  }
}
