import { isNoRoom } from "../../../common/no-room.ts";
import { SerialQueue, type Turn } from "../../../common/serial-queue.ts";
import type { DiskFile } from "../disk/disk.ts";
import { LogStoreError } from "../errors.ts";
import { formatControlLine } from "../format/control-line.ts";
import { checkRecord } from "../format/record-check.ts";
import { KeyTable } from "../index/key-table.ts";
import { OffsetIndex } from "../index/offset-index.ts";
import { forgottenIn, RequestTable, summaryAt } from "../index/request-table.ts";
import { LogFile } from "../log-file.ts";
import type { LogIdentity, LogRecord } from "../model.ts";
import { copiedRevisionOf, MoveHistory } from "../move-history.ts";
import type { SnapshotHead, SnapshotWriter } from "../replica-log.ts";
import type { LogState } from "../state.ts";
import { WriteBuffer } from "../write/write-buffer.ts";
import { keepReplaced } from "./cut-off-records.ts";
import { headerOfDraft, replaceLog } from "./draft.ts";
import type { RewriteSlot } from "./rewrite-slot.ts";

/** Enough for the disk to be busy with a write. */
const flushBytes = 512 * 1024;

export interface BeginSnapshotOptions {
  readonly state: LogState;
  readonly slot: RewriteSlot;
  readonly head: SnapshotHead;
  /** Called in the turn in which the snapshot takes the place of the log. */
  readonly onReplace: () => void;
}

/** Begins a snapshot that is to replace the log: see `ReplicaLog.beginSnapshot`. */
export async function beginSnapshot(options: BeginSnapshotOptions): Promise<SnapshotWriter> {
  const writer = new Writer(options);
  await writer.begin(options.slot);
  return writer;
}

interface OpenSnapshot {
  readonly file: DiskFile;
  readonly buffer: WriteBuffer;
  /** The life that its header has. */
  readonly life: bigint | undefined;
  readonly freeSlot: () => void;
}

class Writer implements SnapshotWriter {
  readonly #state: LogState;
  readonly #head: SnapshotHead;
  readonly #onReplace: () => void;
  /** Calls are carried out one after another; so is the end that the next user of the slot brings. */
  readonly #queue = new SerialQueue();
  readonly #keys = new KeyTable();
  readonly #requests: RequestTable;
  /** Up to the base. */
  readonly #moves: MoveHistory;
  #open: OpenSnapshot | undefined;
  #headerBytes = 0;
  #records = 0;
  #lastSeq = 0;

  constructor({ state, head, onReplace }: BeginSnapshotOptions) {
    const { base, epochs, requestsAfter, moves } = head;
    this.#state = state;
    this.#head = { base: { epoch: base.epoch, seq: base.seq }, epochs: [...epochs], requestsAfter, moves };
    this.#onReplace = onReplace;
    this.#requests = new RequestTable(state.options.requestsMax);
    this.#requests.forget(forgottenIn(head));
    this.#moves = MoveHistory.after(base.seq, moves);
  }

  /** A snapshot lacks nothing, whatever the log before it lacked. */
  get #identity(): LogIdentity | undefined {
    const { identity } = this.#state.file;
    return identity && { ...identity, repaired: undefined };
  }

  begin(slot: RewriteSlot): Promise<void> {
    const taking = slot.take(() => {
      // What it leaves, if it fails, is written over by the next one.
      this.abort().catch(() => {});
    });
    return this.#queue.run(async () => {
      const freeSlot = await taking;
      const { options, file: before } = this.#state;
      try {
        const file = await options.disk.open(options.rbfile, "create", options.dbfile);
        const buffer = new WriteBuffer(file);
        const { life } = before;
        buffer.addLine(await headerOfDraft(this.#state, { identity: this.#identity, life, snapshot: true }));
        this.#headerBytes = buffer.end;
        this.#open = { file, buffer, life, freeSlot };
      } catch (error) {
        freeSlot();
        throw this.#reasonOf(error);
      }
    });
  }

  write(records: readonly LogRecord[]): Promise<void> {
    return this.#step(async ({ buffer }) => {
      for (const record of records) {
        this.#add(record, buffer);
        if (buffer.gatheredBytes >= flushBytes) await buffer.flush();
      }
    });
  }

  #add(record: LogRecord, buffer: WriteBuffer): void {
    const { changes, seq, move } = record;
    const { base } = this.#head;
    if (seq <= this.#lastSeq || seq > base.seq) {
      throw new RangeError(`record ${seq} in a snapshot; allowed is ${this.#lastSeq + 1} to ${base.seq}`);
    }
    checkRecord(record);
    let offset = buffer.end;
    const entryBytes = buffer.addRecord(record);
    for (const [index, change] of changes.entries()) {
      const bytes = entryBytes[index] ?? 0;
      this.#keys.apply(change, { seq, copiedRevision: copiedRevisionOf(move), offset, bytes });
      offset += bytes;
    }
    this.#keys.forgetDeletions(seq);
    this.#requests.note(record, seq);
    this.#lastSeq = seq;
    this.#records++;
  }

  finish(): Promise<void> {
    return this.#step(async (open) => {
      await open.buffer.flush();
      // Most of it before the log's turn, so that whoever waits for that does not wait for long.
      await open.file.datasync();
      await this.#state.inTurn((turn) => this.#replace(turn, open));
      this.#end();
    });
  }

  async #replace(turn: Turn, { file: target, buffer, life: headerLife }: OpenSnapshot): Promise<void> {
    const state = this.#state;
    const { life } = state.file;
    const { base, epochs } = this.#head;
    const { requestsAfter, moves } = summaryAt(base.seq, this.#moves, this.#requests.forgotten(this.#moves));
    const promisedEpoch = Math.max(state.positions.promisedEpoch, base.epoch);
    const snapshotEnd = buffer.end;
    const records = this.#records;
    buffer.addLine(
      formatControlLine({ kind: "base", base, records, epochs, promisedEpoch, requestsAfter, moves }),
    );
    const frameBytes = this.#headerBytes + buffer.end - snapshotEnd;
    // One that has begun since the header was written. Otherwise this log would look like an older copy at the next start.
    if (life !== undefined && life !== headerLife) buffer.addLine(formatControlLine({ kind: "life", life }));
    await buffer.flush();
    await target.datasync();
    await keepReplaced(state, this.#head);
    const file = new LogFile(target, {
      endBytes: buffer.end,
      checksum: buffer.checksum,
      identity: this.#identity,
      life,
      isCopy: false,
      hasLostHeader: false,
      damage: undefined,
      frameBytes,
      legacySeq: 0,
      offsets: new OffsetIndex(),
    });
    await replaceLog(state, () => {
      this.#onReplace();
      state.replaced(turn, file, {
        condition: { kind: "intact" },
        positions: { base, last: base, epochs, moves: this.#moves, promisedEpoch },
        keys: this.#keys,
        requests: this.#requests,
        pending: [],
      });
    });
  }

  abort(): Promise<void> {
    return this.#queue.run(() => this.#forget());
  }

  /** Runs a step in its turn. When one fails, the snapshot is forgotten. */
  #step(action: (open: OpenSnapshot) => Promise<void>): Promise<void> {
    return this.#queue.run(async () => {
      if (this.#open === undefined) throw new LogStoreError("superseded", "this snapshot has ended");
      try {
        await action(this.#open);
      } catch (error) {
        await this.#forget();
        throw this.#reasonOf(error);
      }
    });
  }

  #reasonOf(error: unknown): unknown {
    return isNoRoom(error) ? this.#state.health.noRoom("take a snapshot", error) : error;
  }

  async #forget(): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    const { options, health } = this.#state;
    try {
      await open.file.close();
      // After a failure in the last step nobody knows what is there under this name.
      if (health.failure === undefined) await options.disk.remove(options.rbfile);
    } finally {
      this.#end();
    }
  }

  #end(): void {
    this.#open?.freeSlot();
    this.#open = undefined;
  }
}
