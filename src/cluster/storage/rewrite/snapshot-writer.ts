import { isNoRoom } from "../../../common/no-room.ts";
import { SerialQueue } from "../../../common/serial-queue.ts";
import type { DiskFile } from "../disk/disk.ts";
import { LogStoreError } from "../errors.ts";
import { formatControlLine } from "../format/control-line.ts";
import { checkRecord } from "../format/record-check.ts";
import { KeyTable } from "../index/key-table.ts";
import { OffsetIndex } from "../index/offset-index.ts";
import { RequestTable } from "../index/request-table.ts";
import type { LogIdentity, LogRecord } from "../model.ts";
import type { SnapshotHead, SnapshotWriter } from "../replica-log.ts";
import type { LogState } from "../state.ts";
import type { GroupCommit } from "../write/group-commit.ts";
import { WriteBuffer } from "../write/write-buffer.ts";
import { keepReplaced } from "./cut-off-records.ts";
import { headerOfDraft, replaceLog } from "./rewrite.ts";
import type { RewriteTurn } from "./rewrite-turn.ts";

/** Enough for the disk to be busy with a write. */
const flushBytes = 512 * 1024;

/** Begins a copy that is to replace the log. */
export async function beginSnapshot(
  state: LogState,
  turn: RewriteTurn,
  writer: GroupCommit,
  head: SnapshotHead,
): Promise<SnapshotWriter> {
  const copy = new Copy(state, writer, head);
  await copy.begin(turn);
  return copy;
}

interface OpenCopy {
  readonly file: DiskFile;
  readonly buffer: WriteBuffer;
  readonly endTurn: () => void;
}

class Copy implements SnapshotWriter {
  readonly #state: LogState;
  readonly #writer: GroupCommit;
  readonly #head: SnapshotHead;
  /** Calls are carried out one after another: also the end that another user of the file brings. */
  readonly #lane = new SerialQueue();
  readonly #live = new KeyTable();
  readonly #requests: RequestTable;
  #open: OpenCopy | undefined;
  #headerBytes = 0;
  #records = 0;
  #lastSeq = 0;

  constructor(state: LogState, writer: GroupCommit, { base, epochs, requestsAfter }: SnapshotHead) {
    this.#state = state;
    this.#writer = writer;
    this.#head = { base: { epoch: base.epoch, seq: base.seq }, epochs: [...epochs], requestsAfter };
    this.#requests = new RequestTable(state.options.requestsMax, requestsAfter);
  }

  /** A full copy lacks nothing, whatever the log before it lacked. */
  get #identity(): LogIdentity | undefined {
    const { identity } = this.#state;
    return identity && { ...identity, repaired: undefined };
  }

  begin(turn: RewriteTurn): Promise<void> {
    const taking = turn.take(() => {
      // What it leaves, if it fails, is written over by the next one.
      this.abort().catch(() => {});
    });
    return this.#lane.run(async () => {
      const endTurn = await taking;
      const { options } = this.#state;
      try {
        const file = await options.disk.open(options.rbfile, "create");
        const buffer = new WriteBuffer(file, 0);
        buffer.addLine(await headerOfDraft(this.#state, this.#identity, true));
        this.#headerBytes = buffer.end;
        this.#open = { file, buffer, endTurn };
      } catch (error) {
        endTurn();
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
    const { changes, requestId, seq } = record;
    const { base } = this.#head;
    if (seq <= this.#lastSeq || seq > base.seq) {
      throw new RangeError(`record ${seq} in a copy; allowed is ${this.#lastSeq + 1} to ${base.seq}`);
    }
    checkRecord(record);
    let offset = buffer.end;
    const entryBytes = buffer.addRecord(record);
    for (const [index, change] of changes.entries()) {
      const bytes = entryBytes[index] ?? 0;
      this.#live.apply(change, { seq, offset, bytes });
      offset += bytes;
    }
    this.#live.forgetDeletions(seq);
    this.#requests.note(requestId, seq);
    this.#lastSeq = seq;
    this.#records++;
  }

  finish(): Promise<void> {
    return this.#step(async ({ buffer, file }) => {
      await buffer.flush();
      // Most of it before the log's turn, so that whoever waits for that does not wait for long.
      await file.datasync();
      await this.#state.lane.run(() => this.#replace(file, buffer));
      this.#end();
    });
  }

  async #replace(file: DiskFile, buffer: WriteBuffer): Promise<void> {
    const state = this.#state;
    const { base, epochs } = this.#head;
    const requestsAfter = this.#requests.after;
    const promisedEpoch = Math.max(state.promisedEpoch, base.epoch);
    const snapshotEnd = buffer.end;
    const records = this.#records;
    buffer.addLine(formatControlLine({ kind: "base", base, records, epochs, promisedEpoch, requestsAfter }));
    await buffer.flush();
    await file.datasync();
    await keepReplaced(state, this.#head);
    await replaceLog(state, file, () => {
      this.#writer.drop(0);
      state.committedSeq = base.seq;
      state.load({
        condition: { kind: "intact" },
        hasLostHeader: false,
        damage: undefined,
        identity: this.#identity,
        fileId: undefined,
        life: state.life,
        base,
        last: base,
        epochs,
        promisedEpoch,
        legacySeq: 0,
        frameBytes: this.#headerBytes + buffer.end - snapshotEnd,
        endBytes: buffer.end,
        live: this.#live,
        requests: this.#requests,
        offsetIndex: new OffsetIndex(),
        pending: [],
      });
    });
  }

  abort(): Promise<void> {
    return this.#lane.run(() => this.#forget());
  }

  /** Runs a step in its turn. A copy that one has failed of is forgotten. */
  #step(action: (open: OpenCopy) => Promise<void>): Promise<void> {
    return this.#lane.run(async () => {
      if (this.#open === undefined) throw new LogStoreError("superseded", "this copy has ended");
      try {
        await action(this.#open);
      } catch (error) {
        await this.#forget();
        throw this.#reasonOf(error);
      }
    });
  }

  #reasonOf(error: unknown): unknown {
    return isNoRoom(error) ? this.#state.noRoom("take a copy", error) : error;
  }

  async #forget(): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    const { options, failure } = this.#state;
    try {
      await open.file.close();
      // After a failure in the last step nobody knows what is there under this name.
      if (failure === undefined) await options.disk.remove(options.rbfile);
    } finally {
      this.#end();
    }
  }

  #end(): void {
    this.#open?.endTurn();
    this.#open = undefined;
  }
}
