import { InvariantError, invariant } from "../../common/invariant.ts";
import { SerialQueue, type Turn } from "../../common/serial-queue.ts";
import { LogHealth } from "./health.ts";
import type { IndexedFacts, IndexMove } from "./index/key-index.ts";
import type { KeyTable } from "./index/key-table.ts";
import type { ForgottenRequests, RequestTable } from "./index/request-table.ts";
import type { KeyFacts, RecordedRequest } from "./key-view.ts";
import type { LogFile } from "./log-file.ts";
import type { LogCondition, LogRecord, Position } from "./model.ts";
import { copiedRevisionOf } from "./move-history.ts";
import type { LogSettings } from "./options.ts";
import { type LoadedPositions, type LogPositions, Positions } from "./positions.ts";
import { OpenScans } from "./read/open-scans.ts";
import type { PlacedValue } from "./read/placed-value.ts";
import { type PlacedRecord, type RecordPlace, TailCache } from "./read/tail-cache.ts";
import type { LogEndListener } from "./replica-log.ts";

/** What is in a file that becomes the log. */
export interface LogContents {
  readonly condition: LogCondition;
  readonly positions: LoadedPositions;
  /** Knows the visible records only. */
  readonly keys: KeyTable;
  /** Knows all records. */
  readonly requests: RequestTable;
  /** The last records, which are not visible yet. */
  readonly pending: readonly PlacedRecord[];
}

/** What a write has added to the file. */
export interface WrittenBatch {
  /** Where the records after `durable` stand, in their order. */
  readonly places: readonly RecordPlace[];
  readonly last: Position;
  readonly endBytes: number;
  /** See `LogFileFacts.checksum`. */
  readonly checksum: number;
  readonly promisedEpoch: number;
  /** The life that it begins, if any. */
  readonly life: bigint | undefined;
}

/** Where everything stands in a file that has the same records as the log, but for garbage. */
export interface Relocation {
  readonly file: LogFile;
  readonly base: Position;
  /** Records after the base stand so many bytes further on. */
  readonly shift: number;
  readonly move: IndexMove;
}

/**
 * The parts of an open log: its positions, its file, its keys, its newest records and its health. Each part keeps its
 * own invariants. Here are the steps that concern several of them; nobody else changes a part. A step that changes what
 * is on disk asks for a turn of the log's queue.
 */
export class LogState {
  readonly options: LogSettings;
  readonly health: LogHealth;
  readonly scans = new OpenScans();
  readonly #queue = new SerialQueue();
  readonly #positions = new Positions();
  #file: LogFile;
  #keys: KeyTable;
  #requests: RequestTable;
  #tail = new TailCache(0);
  readonly #visibleListeners = new Set<(record: LogRecord) => void>();
  readonly #endListeners = new Set<LogEndListener>();

  constructor(options: LogSettings, file: LogFile, contents: LogContents) {
    this.options = options;
    this.health = new LogHealth(options);
    this.#file = file;
    this.#keys = contents.keys;
    this.#requests = contents.requests;
    this.#positions.replaced(contents.positions);
    this.#load(contents);
  }

  get positions(): LogPositions {
    return this.#positions;
  }
  get file(): LogFile {
    return this.#file;
  }
  get keys(): KeyTable {
    return this.#keys;
  }
  get requests(): RequestTable {
    return this.#requests;
  }
  get tail(): TailCache {
    return this.#tail;
  }

  /** Bytes that compaction would remove; at least so many, since what is dead in the history is not known. */
  get garbageBytes(): number {
    if (this.health.isDamaged) return 0;
    const { endBytes, frameBytes } = this.#file;
    const dead = endBytes - frameBytes - this.#keys.liveBytes - this.#keys.invisibleBytes;
    return Math.max(0, dead - this.options.historyBytes);
  }

  /** Where the visible value of a key stands. */
  placeValue(key: string): PlacedValue | undefined {
    const place = this.#keys.index.placeOf(key);
    if (place === undefined) return undefined;
    return { ...place, revision: this.#revisionOf(place), file: this.#file, key };
  }

  /** What a key is once all records are visible. */
  pendingFacts(key: string): KeyFacts | undefined {
    const facts = this.#keys.pendingFacts(key);
    return facts && { seq: facts.seq, revision: this.#revisionOf(facts), expiresMs: facts.expiresMs };
  }

  get forgottenRequests(): ForgottenRequests {
    return this.#requests.forgotten(this.#positions.moves);
  }

  /** The record that answers a request: see `KeyView.requestOf`. */
  requestOf(id: string): RecordedRequest | undefined {
    const answered = this.#requests.find(id);
    return answered && { seq: answered.seq, revision: this.#revisionOf(answered) };
  }

  #revisionOf({ seq, copiedRevision }: Pick<IndexedFacts, "seq" | "copiedRevision">): number {
    return copiedRevision || this.#positions.moves.revisionOf(seq);
  }

  /** Calls `listener` with each record just before it becomes visible. Returns how to end that. */
  onVisible(listener: (record: LogRecord) => void): () => void {
    this.#visibleListeners.add(listener);
    return () => this.#visibleListeners.delete(listener);
  }

  /** See `ReplicaLog.onEnd`. */
  onEnd(listener: LogEndListener): () => void {
    this.#endListeners.add(listener);
    return () => this.#endListeners.delete(listener);
  }

  /** Runs a task that writes to the log, or puts another file in its place: one after another. */
  inTurn<T>(task: (turn: Turn) => Promise<T>): Promise<T> {
    return this.#queue.run(task).catch((error: unknown) => {
      throw this.#failing(error);
    });
  }

  /** Takes records in, in memory. */
  append(records: readonly LogRecord[]): void {
    try {
      for (const record of records) {
        this.#positions.appended(record);
        this.#tail.push(record);
        this.#keys.note(record);
        this.#requests.note(record, record.seq);
      }
    } catch (error) {
      throw this.#failing(error);
    }
  }

  /** The replica will follow no lower epoch. */
  promise(epoch: number): void {
    this.#positions.promised(epoch);
  }

  /** Records up to `seq` are committed: those on disk become visible. */
  commit(seq: number): void {
    try {
      this.#positions.committed(seq);
      this.#advance();
    } catch (error) {
      throw this.#failing(error);
    }
  }

  /** A batch is in the file. */
  written(turn: Turn, { last }: Pick<WrittenBatch, "last">): void {
    this.#queue.check(turn);
    this.health.hasRoom();
    this.#positions.wrote(last);
    for (const listener of this.#endListeners) listener.written();
  }

  /** A batch is on disk. */
  synced(turn: Turn, { places, last, endBytes, checksum, promisedEpoch, life }: WrittenBatch): void {
    this.#queue.check(turn);
    let { seq } = this.#positions.durable;
    for (const place of places) {
      seq++;
      this.#tail.place(seq, place);
      this.#file.offsets.add(seq, place.offset);
      this.#keys.addInvisible(place.entryBytes);
    }
    invariant(seq === last.seq, "a batch has other records than were written");
    this.#file.grown(endBytes, checksum);
    this.#positions.synced(last);
    this.#positions.promiseSynced(promisedEpoch);
    if (life !== undefined) this.#file.begun(life);
    this.#advance();
  }

  /** There was no room for the records after `seq`, none of which is in the file: they are taken back. */
  withdraw(turn: Turn, seq: number, reason: Error): void {
    this.drop(turn, seq);
    for (const listener of this.#endListeners) listener.withdrawn(seq, reason);
  }

  /** Forgets records after `seq`, none of which is in the file. */
  drop(turn: Turn, seq: number): void {
    this.#queue.check(turn);
    this.#positions.withdrawn(seq);
    this.#tail.truncate(seq);
    this.#requests.truncate(seq, this.#positions.moves.revisionOf(seq));
    this.#keys.forgetNotes();
    for (let kept = this.#positions.visibleSeq + 1; kept <= seq; kept++) {
      const placed = this.#tail.at(kept);
      if (placed !== undefined) this.#keys.note(placed.record);
    }
  }

  /** A file with the same records, but for garbage, has become the log. */
  relocated(turn: Turn, { file, base, shift, move }: Relocation): void {
    this.#swap(turn, file);
    move.finish(base.seq, shift);
    this.#tail.shift(base.seq, shift);
    this.#positions.compacted(base);
  }

  /** A file without the last records has become the log. */
  truncated(turn: Turn, file: LogFile, contents: LogContents): void {
    this.#swap(turn, file);
    this.#positions.truncated(contents.positions, contents.positions.last.seq - contents.pending.length);
    this.#load(contents);
  }

  /** A file with another log has become the log. */
  replaced(turn: Turn, file: LogFile, contents: LogContents): void {
    this.#swap(turn, file);
    this.#positions.replaced(contents.positions);
    this.#load(contents);
  }

  #swap(turn: Turn, file: LogFile): void {
    this.#queue.check(turn);
    this.#file = file;
    this.health.hasRoom();
  }

  #load({ condition, keys, requests, pending }: LogContents): void {
    this.health.found(condition);
    this.#keys = keys;
    this.#requests = requests;
    this.#tail = new TailCache(this.#positions.visibleSeq);
    this.scans.supersede();
    for (const { record, ...place } of pending) {
      this.#tail.push(record);
      this.#tail.place(record.seq, place);
      this.#keys.note(record);
      this.#keys.addInvisible(place.entryBytes);
    }
  }

  /** Makes visible what is on disk and committed. */
  #advance(): void {
    const { readySeq } = this.#positions;
    for (let seq = this.#positions.visibleSeq + 1; seq <= readySeq; seq++) {
      const placed = this.#tail.at(seq);
      invariant(placed !== undefined, "a record is not in memory when it becomes visible");
      for (const listener of this.#visibleListeners) listener(placed.record);
      this.#show(placed);
      this.#positions.shown(seq);
    }
    this.#keys.forgetDeletions(readySeq);
    this.#tail.evict(this.#positions.visibleSeq);
  }

  #show({ record: { changes, seq, move }, offset, entryBytes }: PlacedRecord): void {
    const copiedRevision = copiedRevisionOf(move);
    let entryOffset = offset;
    for (const [index, change] of changes.entries()) {
      const bytes = entryBytes[index] ?? 0;
      this.scans.beforeChange(change.key, () => this.placeValue(change.key));
      this.#keys.apply(change, { seq, copiedRevision, offset: entryOffset, bytes });
      entryOffset += bytes;
    }
    this.#keys.removeInvisible(entryBytes);
  }

  /** A broken invariant ends the process before anybody is answered. */
  #failing(error: unknown): unknown {
    return error instanceof InvariantError ? this.health.fail("go on with", error) : error;
  }
}
