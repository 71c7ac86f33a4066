import { invariant } from "../../../common/invariant.ts";
import type { Turn } from "../../../common/serial-queue.ts";
import type { DiskFile } from "../disk/disk.ts";
import { formatControlLine } from "../format/control-line.ts";
import { readTokens, smallChunkBytes, wholeFile } from "../format/log-reader.ts";
import { RecordOrder } from "../format/record-order.ts";
import { extendChecksum } from "../format/running-checksum.ts";
import { bytesOf, type RecordToken, type Token } from "../format/token.ts";
import type { IndexMove } from "../index/key-index.ts";
import { type ForgottenRequests, summaryAt } from "../index/request-table.ts";
import { LogFile } from "../log-file.ts";
import type { LogIdentity, Position } from "../model.ts";
import type { LogState } from "../state.ts";
import { WriteBuffer } from "../write/write-buffer.ts";
import { unsyncedBytesMax } from "./beside-calls.ts";
import { headerOfDraft, replaceLog } from "./draft.ts";

/** For what is copied as it stands. */
const tailChunkBytes = 256 * 1024;

/** Waits, so that others get most of the time. Not waited for when the log grows faster than it is rewritten. */
type Rest = () => Promise<void>;

export interface RewriteOptions {
  /** What the header says instead of what it says now. */
  readonly header?: { readonly identity: LogIdentity; readonly life: bigint | undefined };
  /** Up to here only what may be live is taken over, as a snapshot part. */
  readonly horizon: Position;
  /** Whether a record up to `horizon` is to be taken over. */
  readonly keeps: (key: string, seq: number) => boolean;
  /** Throws when the rewrite is to be given up. Asked after every chunk. */
  readonly check?: () => void;
  /** Between two steps, other than of what is copied as it stands. */
  readonly rest?: Rest;
}

/**
 * A new file, made from the present one: a snapshot part up to some record, then everything after it as it stands.
 * Until `replace`, the present file is the log and goes on growing.
 */
export class Rewrite {
  readonly #state: LogState;
  readonly #options: RewriteOptions;
  readonly #source: LogFile;
  readonly target: DiskFile;
  readonly #buffer: WriteBuffer;
  readonly #move: IndexMove;
  /** All other requests are taken over. */
  readonly #forgotten: ForgottenRequests;
  #frameBytes = 0;
  /** Where the part that is taken over as it stands begins in the present file and in the new one. */
  #tailFrom = 0;
  #tailTo = 0;
  /** Up to where the new file is on the disk for good. */
  #syncedBytes = 0;
  /** Up to where the present file has been taken over, and the CRC-32 of what was read of it up to there. */
  #copiedBytes = 0;
  #copiedChecksum = 0;

  static async begin(state: LogState, options: RewriteOptions): Promise<Rewrite> {
    const { disk, dbfile, rbfile } = state.options;
    return new Rewrite(state, options, await disk.open(rbfile, "create", dbfile));
  }

  constructor(state: LogState, options: RewriteOptions, target: DiskFile) {
    this.#state = state;
    this.#options = options;
    this.#source = state.file;
    this.target = target;
    this.#buffer = new WriteBuffer(target);
    this.#move = state.keys.index.beginMove();
    this.#forgotten = state.forgottenRequests;
  }

  /** Bytes of the present file, up to `end`, that are still to be taken over. */
  behind(end: number): number {
    return end - this.#copiedBytes;
  }

  /** Writes the header and the snapshot part. */
  async copySnapshot(): Promise<void> {
    const { horizon, check, rest } = this.#options;
    while (!this.#move.prepare()) {
      await rest?.();
      check?.();
    }
    const { epochs, moves, promisedOnDisk } = this.#state.positions;
    const snapshot = horizon.seq > 0;
    this.#buffer.addLine(await headerOfDraft(this.#state, { ...this.#header, snapshot }));
    this.#frameBytes = this.#buffer.end;
    const records = await this.#copyLive();
    if (snapshot) {
      const start = this.#buffer.end;
      this.#buffer.addLine(
        formatControlLine({
          kind: "base",
          base: horizon,
          records,
          epochs: epochs.filter(({ firstSeq }) => firstSeq <= horizon.seq),
          promisedEpoch: promisedOnDisk,
          ...summaryAt(horizon.seq, moves, this.#forgotten),
        }),
      );
      this.#frameBytes += this.#buffer.end - start;
    }
    await this.#buffer.flush();
    this.#copiedBytes = this.#tailFrom;
    this.#tailTo = this.#buffer.end;
  }

  /** Copies records up to the horizon, and finds where it lies. Returns their number. */
  async #copyLive(): Promise<number> {
    const { horizon, check, rest } = this.#options;
    const begunBytes = this.#source.endBytes;
    const range = { ...wholeFile(this.#source.endBytes), chunkBytes: smallChunkBytes };
    const order = new RecordOrder();
    let records = 0;
    let checksum = 0;
    for await (const tokens of readTokens(this.#source.file, range)) {
      const grownBytes = this.#source.endBytes - begunBytes;
      if (grownBytes < this.#tailFrom) await rest?.();
      check?.();
      for (const token of tokens) {
        if (token.kind === "bad") throw unreadable(token, token.reason);
        const problem = order.take(token);
        if (problem !== undefined) throw unreadable(token, problem);
        if (order.seq > horizon.seq) return records;
        checksum = extendChecksum(checksum, bytesOf(token));
        // A promise or a life has no place in the history: those after the last record belong to the tail.
        const isFrame = token.kind === "control" && ["header", "base"].includes(token.control.kind);
        if (token.kind === "record" || isFrame) {
          this.#tailFrom = token.offset + token.bytes;
          this.#copiedChecksum = checksum;
        }
        if (token.kind === "record" && this.#copyRecord(token, order)) records++;
      }
      await this.#buffer.flush();
      await this.#syncSome();
    }
    return records;
  }

  /** Returns whether anything of it is left. */
  #copyRecord(token: RecordToken, { last }: RecordOrder): boolean {
    const { changes, requestId } = token.record;
    const { seq } = last;
    const kept = changes.filter(({ key }) => this.#options.keeps(key, seq));
    const isRemembered = requestId !== undefined && seq > this.#forgotten.forgottenSeq;
    if (kept.length === 0 && !isRemembered) return false;
    let offset = this.#buffer.end;
    for (const [index, bytes] of this.#buffer.addFound(token, kept, last).entries()) {
      const key = kept[index]?.key;
      if (key !== undefined) this.#move.place(key, { seq, offset, bytes });
      offset += bytes;
    }
    return true;
  }

  /**
   * Takes over what stands in the present file up to `end`, unread: at the end of the file it is compared with what was
   * written, by its checksum, so that damage does not come to be a part of a file that is taken for good.
   */
  async copyTail(end: number, rest?: Rest): Promise<void> {
    const from = this.#copiedBytes;
    const begunBytes = this.#source.endBytes;
    const chunk = Buffer.allocUnsafe(Math.max(0, Math.min(tailChunkBytes, this.behind(end))));
    let position = this.#buffer.end;
    this.#options.check?.();
    while (this.#copiedBytes < end) {
      const part = chunk.subarray(0, Math.min(chunk.length, end - this.#copiedBytes));
      if ((await this.#source.file.read(part, this.#copiedBytes)) < part.length) {
        throw new Error("the file has become shorter");
      }
      await this.target.write(part, position);
      this.#copiedBytes += part.length;
      this.#copiedChecksum = extendChecksum(this.#copiedChecksum, part);
      position += part.length;
      this.#buffer.moveTo(this.target, position, extendChecksum(this.#buffer.checksum, part));
      await this.#syncSome();
      const grownBytes = this.#source.endBytes - begunBytes;
      if (this.#copiedBytes < end && grownBytes < this.#copiedBytes - from) await rest?.();
      this.#options.check?.();
    }
    if (this.behind(this.#source.endBytes) === 0 && this.#copiedChecksum !== this.#source.checksum) {
      throw new Error("the end of the file has become unreadable: its checksum does not match");
    }
  }

  /** Adds the promise of an epoch at the end. */
  async addPromise(epoch: number): Promise<void> {
    this.#buffer.addLine(formatControlLine({ kind: "promise", epoch }));
    await this.#buffer.flush();
  }

  async sync(): Promise<void> {
    this.#syncedBytes = this.#buffer.end;
    await this.target.datasync();
  }

  async #syncSome(): Promise<void> {
    if (this.#buffer.end - this.#syncedBytes > unsyncedBytesMax) await this.sync();
  }

  /** Makes the new file, synced, the log. It must have taken over everything but garbage. */
  async replace(turn: Turn): Promise<void> {
    const state = this.#state;
    const { horizon: base } = this.#options;
    const shift = this.#tailTo - this.#tailFrom;
    invariant(
      this.behind(state.file.endBytes) === 0,
      "a rewritten log must have the end of the log it replaces",
    );
    const file = new LogFile(this.target, {
      ...this.#header,
      endBytes: this.#buffer.end,
      checksum: this.#buffer.checksum,
      isCopy: false,
      hasLostHeader: false,
      damage: undefined,
      frameBytes: this.#frameBytes,
      legacySeq: 0,
      offsets: this.#source.offsets.rebased(base.seq, this.#tailTo, shift),
    });
    await replaceLog(state, () => state.relocated(turn, { file, base, shift, move: this.#move }));
  }

  /** Gives it up; the present file stays. */
  async abandon(): Promise<void> {
    const { health, options } = this.#state;
    this.#move.giveUp();
    await this.target.close();
    // After a fatal failure nobody knows what is there under this name.
    if (health.failure === undefined) await options.disk.remove(options.rbfile);
  }

  /** What the header of the new file says. */
  get #header(): { readonly identity: LogIdentity | undefined; readonly life: bigint | undefined } {
    const { identity, life } = this.#options.header ?? this.#state.file;
    return { identity, life };
  }
}

function unreadable({ line }: Token, problem: string): Error {
  return new Error(`line ${line} has become unreadable: ${problem}`);
}
