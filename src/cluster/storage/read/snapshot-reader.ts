import { LogStoreError } from "../errors.ts";
import { readTokens, smallChunkBytes, wholeFile } from "../format/log-reader.ts";
import { contentBytes, toLogRecord } from "../format/record.ts";
import { RecordOrder } from "../format/record-order.ts";
import type { Token } from "../format/token.ts";
import type { KeyTable } from "../index/key-table.ts";
import { summaryAt } from "../index/request-table.ts";
import type { LogFile } from "../log-file.ts";
import type { EpochStart, LogRecord, MoveSummary, Position } from "../model.ts";
import type { SnapshotReader } from "../replica-log.ts";
import type { LogState } from "../state.ts";

/** Bytes of the log that one read for wanted keys looks through, about: however few these are, it takes milliseconds. */
const lookedBytesMax = 512 * 1024;

/** See `ReplicaLog.openSnapshot`. `onClose` is called once. */
export function openSnapshot(
  state: LogState,
  onClose: () => void,
  isWanted?: (key: string) => boolean,
): SnapshotReader {
  return new Reader(state, onClose, isWanted);
}

class Reader implements SnapshotReader {
  readonly base: Position;
  readonly requestsAfter: number;
  readonly epochs: readonly EpochStart[];
  readonly moves: MoveSummary | undefined;
  readonly #forgottenSeq: number;
  readonly #dbfile: string;
  /** Whatever the log does from now on, this file stays as it is, but for what is added behind. */
  readonly #file: LogFile;
  readonly #keys: KeyTable;
  /** Up to here only what is live is given. What is not visible yet may change any key. */
  readonly #horizonSeq: number;
  readonly #chunks: AsyncGenerator<Token[], void, void>;
  readonly #order = new RecordOrder();
  readonly #forgetDeletions: () => void;
  readonly #onClose: () => void;
  readonly #isWanted: ((key: string) => boolean) | undefined;
  #tokens: Token[] = [];
  #tokensTaken = 0;
  #isAtEnd = false;
  #isClosed = false;

  constructor(
    { file, positions, keys, forgottenRequests, options }: LogState,
    onClose: () => void,
    isWanted: ((key: string) => boolean) | undefined,
  ) {
    const { durable, epochs, visible } = positions;
    const { requestsAfter, moves } = summaryAt(durable.seq, positions.moves, forgottenRequests);
    this.base = durable;
    this.requestsAfter = requestsAfter;
    this.moves = moves;
    this.#forgottenSeq = forgottenRequests.forgottenSeq;
    this.epochs = epochs.filter(({ firstSeq }) => firstSeq <= durable.seq);
    this.#dbfile = options.dbfile;
    this.#file = file;
    this.#keys = keys;
    this.#horizonSeq = visible.seq;
    this.#onClose = onClose;
    this.#isWanted = isWanted;
    this.#forgetDeletions = keys.keepDeletions(visible.seq);
    file.use();
    this.#chunks = readTokens(file.file, { ...wholeFile(file.endBytes), chunkBytes: smallChunkBytes });
  }

  get isAtEnd(): boolean {
    return this.#isAtEnd;
  }

  async next(maxBytes: number): Promise<LogRecord[]> {
    const records: LogRecord[] = [];
    let bytes = 0;
    let lookedBytes = 0;
    for (;;) {
      if (this.#isClosed) throw new LogStoreError("closed", "the reader of the snapshot is closed");
      while (this.#tokensTaken < this.#tokens.length) {
        const token = this.#tokens[this.#tokensTaken++];
        const record = token === undefined ? undefined : this.#take(token);
        if (record === undefined) continue;
        records.push(record);
        bytes += contentBytes(record);
        if (bytes >= maxBytes) return records;
      }
      if (this.#isWanted !== undefined && lookedBytes >= lookedBytesMax) return records;
      const { value, done } = await this.#chunks.next();
      if (done) {
        this.#isAtEnd = true;
        return records;
      }
      this.#tokens = value;
      this.#tokensTaken = 0;
      lookedBytes += smallChunkBytes;
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#forgetDeletions();
    this.#onClose();
    await this.#file.release();
  }

  /** What the snapshot has of a token. */
  #take(token: Token): LogRecord | undefined {
    const problem = token.kind === "bad" ? token.reason : this.#order.take(token);
    if (problem !== undefined) {
      throw new LogStoreError("damaged", `line ${token.line} of ${this.#dbfile} has become bad: ${problem}`);
    }
    if (token.kind !== "record") return undefined;
    const { last } = this.#order;
    const { record, window } = token;
    const isWanted = this.#isWanted;
    const wanted = isWanted ? record.changes.filter(({ key }) => isWanted(key)) : record.changes;
    if (wanted.length === 0 && record.changes.length > 0) return undefined;
    const kept = wanted.filter(
      ({ key }) => last.seq > this.#horizonSeq || this.#keys.mayBeLive(key, last.seq, this.#horizonSeq),
    );
    const isRemembered = record.requestId !== undefined && last.seq > this.#forgottenSeq;
    return kept.length > 0 || isRemembered ? toLogRecord(window, record, last, kept) : undefined;
  }
}
