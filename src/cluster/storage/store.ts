import type { Turn } from "../../common/serial-queue.ts";
import type { FileLock } from "./disk/disk.ts";
import { checkRecord } from "./format/record-check.ts";
import { Indexer } from "./index-file/indexer.ts";
import type { KeyFacts, KeyRange, LaterValue, RecordedRequest, ScanReader, StoredValue } from "./key-view.ts";
import type { LogStore } from "./log-store.ts";
import type { EpochStart, LogCondition, LogIdentity, LogOwner, LogRecord, Moves, Position } from "./model.ts";
import type { Accepted } from "./move-history.ts";
import { openScan } from "./read/range-scan.ts";
import { readRecords } from "./read/read-records.ts";
import { readValue, valueLater, valueNow } from "./read/read-value.ts";
import { openSnapshot } from "./read/snapshot-reader.ts";
import type { LogEndListener, SnapshotHead, SnapshotReader, SnapshotWriter } from "./replica-log.ts";
import { adoptLog } from "./rewrite/adopt.ts";
import { Compactor } from "./rewrite/compaction.ts";
import { RewriteSlot } from "./rewrite/rewrite-slot.ts";
import { beginSnapshot } from "./rewrite/snapshot-writer.ts";
import { truncateFile } from "./rewrite/truncate.ts";
import type { LogState } from "./state.ts";
import { GroupCommit } from "./write/group-commit.ts";

/** An open log. */
export class Store implements LogStore {
  readonly #state: LogState;
  readonly #writer: GroupCommit;
  readonly #slot = new RewriteSlot();
  readonly #compactor: Compactor;
  readonly #indexer: Indexer;
  readonly #lock: FileLock;
  #closing: Promise<void> | undefined;

  constructor(state: LogState, lock: FileLock) {
    this.#state = state;
    this.#writer = new GroupCommit(state, lock, this.#slot);
    this.#compactor = new Compactor(state, this.#slot);
    this.#indexer = new Indexer(state, this.#slot);
    this.#lock = lock;
  }

  get identity(): LogIdentity | undefined {
    return this.#state.file.identity;
  }
  get condition(): LogCondition {
    return this.#state.health.condition;
  }
  get isCopy(): boolean {
    return this.#state.file.isCopy;
  }
  get life(): string | undefined {
    return this.#state.file.life?.toString();
  }
  get base(): Position {
    return this.#state.positions.base;
  }
  get visible(): Position {
    return this.#state.positions.visible;
  }
  get durable(): Position {
    return this.#state.positions.durable;
  }
  get committedSeq(): number {
    return this.#state.positions.committedSeq;
  }
  get written(): Position {
    return this.#state.positions.written;
  }
  get last(): Position {
    return this.#state.positions.last;
  }
  get epochs(): readonly EpochStart[] {
    return this.#state.positions.epochs;
  }
  get promisedEpoch(): number {
    return this.#state.positions.promisedEpoch;
  }
  get full(): string | undefined {
    return this.#state.health.full?.message;
  }
  get stalledMs(): number {
    return this.#writer.stalledMs;
  }
  get keyCount(): number {
    return this.#state.keys.index.size;
  }
  get fileBytes(): number {
    return this.#state.file.endBytes;
  }
  get garbageBytes(): number {
    return this.#state.garbageBytes;
  }
  get requestsAfter(): number {
    return this.#state.forgottenRequests.requestsAfter;
  }
  get lastRevision(): number {
    return this.revisionOf(this.last.seq);
  }
  get changedRevision(): number {
    return this.revisionOf(this.#state.positions.changedSeq);
  }

  beforeAccept(change: number): number | undefined {
    return this.#state.positions.moves.beforeAccept(change);
  }

  acceptedSince(change: number, seq: number): readonly Accepted[] {
    return this.#state.positions.moves.acceptedSince(change, seq);
  }

  get hasCopies(): boolean {
    return this.#state.keys.index.hasCopies;
  }

  get moves(): Moves {
    return this.#state.positions.moves.moves;
  }

  revisionOf(seq: number): number {
    return this.#state.positions.moves.revisionOf(seq);
  }

  seqAt(revision: number): number {
    return this.#state.positions.moves.seqAt(revision);
  }

  async adopt(owner: LogOwner): Promise<void> {
    const { file, health } = this.#state;
    // What nobody can use any more is kept beside by this, damaged as it is.
    if (file.hasLostHeader || file.isCopy) health.checkOpen();
    else health.checkWritable();
    await this.#rewrite((turn) => adoptLog(this.#state, turn, owner));
  }

  async beginLife(incarnation: string): Promise<void> {
    this.#state.health.checkOpen();
    await this.#writer.untilBegun(BigInt(incarnation));
  }

  async promise(epoch: number): Promise<void> {
    const state = this.#state;
    state.health.checkOpen();
    state.promise(epoch);
    if (epoch > state.positions.promisedOnDisk) await this.#writer.untilPromised(epoch);
  }

  check(record: LogRecord): void {
    this.#state.health.checkWritable();
    checkRecord(record);
  }

  async append(records: readonly LogRecord[]): Promise<void> {
    const state = this.#state;
    state.health.checkWritable();
    this.#checkAppend(records);
    state.append(records);
    const { durable, last } = state.positions;
    try {
      if (durable.seq < last.seq) await this.#writer.untilDurable(last.seq);
    } finally {
      this.#tidy();
    }
  }

  commit(seq: number): void {
    if (seq <= this.#state.positions.committedSeq) return;
    this.#state.commit(seq);
    this.#tidy();
  }

  async get(key: string): Promise<StoredValue | undefined> {
    this.#state.health.checkReadable();
    return await readValue(this.#state, key);
  }

  getNow(key: string): StoredValue | "no value" | "on disk" {
    this.#state.health.checkReadable();
    return valueNow(this.#state, key);
  }

  valueLater(key: string): LaterValue | undefined {
    return valueLater(this.#state, key);
  }

  onVisible(listener: (record: LogRecord) => void): () => void {
    return this.#state.onVisible(listener);
  }

  onEnd(listener: LogEndListener): () => void {
    return this.#state.onEnd(listener);
  }

  pendingFacts(key: string): KeyFacts | undefined {
    return this.#state.pendingFacts(key);
  }

  expired(nowMs: number, max: number, range: KeyRange = {}): string[] {
    return this.#state.keys.expired(nowMs, max, range);
  }

  requestOf(requestId: string): RecordedRequest | undefined {
    return this.#state.requestOf(requestId);
  }

  openScan(range: KeyRange): ScanReader {
    this.#state.health.checkReadable();
    return openScan(this.#state, range);
  }

  keys(): IterableIterator<string> {
    return this.#state.keys.index.keys();
  }

  seqOf(key: string): number | undefined {
    return this.#state.keys.index.seqOf(key);
  }

  entryBytes(key: string): number {
    return this.#state.keys.index.placeOf(key)?.bytes ?? 0;
  }

  async read(afterSeq: number, maxBytes: number): Promise<LogRecord[] | undefined> {
    this.#state.health.checkReadable();
    return await readRecords(this.#state, afterSeq, maxBytes);
  }

  async truncate(seq: number): Promise<void> {
    const state = this.#state;
    state.health.checkWritable();
    await this.#rewrite(async (turn) => {
      const { last, durable, committedSeq } = state.positions;
      if (seq >= last.seq) return;
      // What is committed may have been the reason to forget what was before.
      if (seq < committedSeq) {
        throw new RangeError(`cut after record ${seq}; only those after ${committedSeq} can be dropped`);
      }
      if (seq < durable.seq) await truncateFile(state, turn, seq);
      else state.drop(turn, seq);
      this.#writer.drop(seq);
    });
  }

  async openSnapshot(isWanted?: (key: string) => boolean): Promise<SnapshotReader> {
    this.#state.health.checkWritable();
    return openSnapshot(this.#state, this.#compactor.hold(), isWanted);
  }

  async beginSnapshot(head: SnapshotHead): Promise<SnapshotWriter> {
    this.#state.health.checkOpen();
    return await beginSnapshot({
      state: this.#state,
      slot: this.#slot,
      head,
      onReplace: () => this.#writer.drop(0),
    });
  }

  async compact(): Promise<void> {
    await this.#compactor.compact();
    this.#tidy();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const state = this.#state;
    state.health.closed();
    // First, while a rewrite still has the slot, or nobody: a write without room asks whoever has it to give up.
    await this.#writer.flush();
    await this.#slot.take(() => {});
    await this.#indexer.finish();
    await state.inTurn(() => state.file.release());
    await this.#lock.release();
  }

  /** Begins what is to be done beside, now that the log has grown. */
  #tidy(): void {
    this.#compactor.consider();
    this.#indexer.consider();
  }

  /** Runs what needs the log to stand still while it makes a new file of it. */
  async #rewrite(action: (turn: Turn) => Promise<void>): Promise<void> {
    const free = await this.#slot.take(() => {});
    try {
      await this.#state.inTurn(action);
    } finally {
      free();
      this.#writer.settle();
    }
  }

  #checkAppend(records: readonly LogRecord[]): void {
    let { epoch, seq } = this.#state.positions.last;
    for (const record of records) {
      if (record.seq !== seq + 1 || record.epoch < epoch) {
        throw new RangeError(`record ${record.epoch}.${record.seq} cannot follow ${epoch}.${seq}`);
      }
      checkRecord(record);
      ({ epoch, seq } = record);
    }
  }
}
