import { checkReplaceable } from "../disk/check-replaceable.ts";
import type { Disk, DiskFile } from "../disk/disk.ts";
import { lockFile } from "../disk/lock-file.ts";
import { LogFileError } from "../errors.ts";
import { formatControlLine } from "../format/control-line.ts";
import { type Damage, IntegrityChecker } from "../format/integrity.ts";
import { readTokens, smallChunkBytes, wholeFile } from "../format/log-reader.ts";
import type { BadToken, RecordToken, Token } from "../format/token.ts";
import { placeOf, takeChanges } from "../index/found-changes.ts";
import { KeyIndex } from "../index/key-index.ts";
import { summaryAt } from "../index/request-table.ts";
import type { Position } from "../model.ts";
import { nameForDamaged } from "../rewrite/damaged-name.ts";
import { WriteBuffer } from "../write/write-buffer.ts";
import { openForReading } from "./verify.ts";

/** The result of a repair. */
export interface RepairReport {
  /** False when the log was not damaged. Then nothing was changed. */
  readonly repaired: boolean;
  /** Good records found. Records that later ones overwrite may be left out of the new file. */
  readonly records: number;
  /** Keys with a value in the repaired log. */
  readonly liveKeys: number;
  readonly removedBytes: number;
  /** File with the bytes that were removed. Undefined when records were missing, but no bytes were bad. */
  readonly keptIn: string | undefined;
  readonly damages: readonly Damage[];
  readonly damageCount: number;
  /** Whether the header is lost: then the log belongs to no node now. */
  readonly lostIdentity: boolean;
}

/**
 * Makes a damaged log usable. It writes all good records, before and after the damage, to a new file that replaces the
 * log, and keeps the bad bytes in a file beside it. The records in these bytes are lost: if another replica has the
 * data, a snapshot of that replica is better. Errors: LogFileError.
 */
export async function repairLog(disk: Disk, path: string): Promise<RepairReport> {
  await checkReplaceable(disk, path);
  const source = await openForReading(disk, path);
  try {
    const lock = await lockFile(disk, path);
    try {
      return await new Repair(disk, path, source, await source.size()).run();
    } finally {
      await lock.release();
    }
  } catch (error) {
    throw LogFileError.from(path, "repair it", error);
  } finally {
    await source.close();
  }
}

class Repair {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #source: DiskFile;
  readonly #sourceBytes: number;
  readonly #checker: IntegrityChecker;
  readonly #index = new KeyIndex();
  #records = 0;
  #removedBytes = 0;

  constructor(disk: Disk, path: string, source: DiskFile, sourceBytes: number) {
    this.#disk = disk;
    this.#path = path;
    this.#source = source;
    this.#sourceBytes = sourceBytes;
    this.#checker = new IntegrityChecker(path);
  }

  async run(): Promise<RepairReport> {
    await this.#survey();
    const { damages, damageCount, isGood, order } = this.#checker;
    const keptIn = isGood || this.#removedBytes === 0 ? undefined : await this.#keepBadBytes();
    if (!isGood) await this.#rewrite();
    return {
      repaired: !isGood,
      records: this.#records,
      liveKeys: this.#index.size,
      removedBytes: isGood ? 0 : this.#removedBytes,
      keptIn,
      damages,
      damageCount,
      lostIdentity: !isGood && order.identity === undefined,
    };
  }

  /** Finds the newest good record of each key. */
  async #survey(): Promise<void> {
    for await (const token of this.#tokens()) {
      if (!this.#checker.take(token)) {
        this.#removedBytes += token.bytes;
        continue;
      }
      if (token.kind !== "record") continue;
      this.#records++;
      takeChanges(this.#index, token, this.#checker.order.seq);
    }
    await this.#checker.end(this.#source, this.#sourceBytes);
  }

  async #keepBadBytes(): Promise<string> {
    const keptIn = await nameForDamaged(this.#disk, this.#path);
    await this.#writing(keptIn, async (buffer) => {
      for await (const token of this.#tokens()) {
        if (token.kind === "bad") await this.#keep(token, buffer);
      }
    });
    return keptIn;
  }

  async #keep({ offset, bytes, line, reason }: BadToken, buffer: WriteBuffer): Promise<void> {
    buffer.addLine(`!removed offset=${offset} bytes=${bytes} line=${line}: ${reason}\n`);
    const end = offset + bytes;
    for (let from = offset; from < end; from += smallChunkBytes) {
      const part = Buffer.alloc(Math.min(smallChunkBytes, end - from));
      await this.#source.read(part, from);
      buffer.addBytes(part);
      await buffer.flush();
    }
    buffer.addLine("\n");
  }

  async #rewrite(): Promise<void> {
    const draft = `${this.#path}.repaired`;
    const { identity: owner, life, promisedEpoch } = this.#checker.order;
    const identity = owner && { ...owner, repaired: true };
    const checker = new IntegrityChecker(this.#path);
    let records = 0;
    await this.#writing(draft, async (buffer) => {
      const fileId = (await this.#disk.look(draft))?.fileId;
      buffer.addLine(formatControlLine({ kind: "header", identity, fileId, life, snapshot: true }));
      for await (const token of this.#tokens()) {
        const before = checker.order.last;
        if (!checker.take(token) || token.kind !== "record") continue;
        const { last } = checker.order;
        if (last.seq <= before.seq || last.epoch < before.epoch) this.#refuseOrder(token, before, last);
        const kept = token.record.changes.filter(
          (entry) => this.#index.placeOf(entry.key)?.offset === placeOf(token, entry, last.seq).offset,
        );
        if (kept.length === 0) continue;
        records++;
        buffer.addFound(token, kept, last);
        if (buffer.gatheredBytes > smallChunkBytes) await buffer.flush();
      }
      const { last: base, epochs, moves } = checker.order;
      // It is not known which requests the lost records have answered. Copies that were not accepted are copied again.
      const forgotten = {
        requestsAfter: moves.revisionOf(base.seq),
        forgottenSeq: base.seq,
        copiedAfter: 0,
      };
      const said = summaryAt(base.seq, moves, forgotten);
      buffer.addLine(formatControlLine({ kind: "base", base, records, epochs, promisedEpoch, ...said }));
    });
    await this.#disk.rename(draft, this.#path);
    await this.#disk.syncDirectory(this.#path);
  }

  /** No disk fault reorders records: somebody has joined files. A program cannot tell which record is the right one. */
  #refuseOrder({ line }: RecordToken, before: Position, { epoch, seq }: Position): never {
    throw new LogFileError(
      this.#path,
      `line ${line}: record ${epoch}.${seq} stands after record ${before.epoch}.${before.seq}; ` +
        "a log whose records are out of order cannot be repaired",
    );
  }

  async *#tokens(): AsyncGenerator<Token, void, void> {
    for await (const tokens of readTokens(this.#source, wholeFile(this.#sourceBytes))) yield* tokens;
  }

  /** Writes a file and makes it durable. */
  async #writing(path: string, write: (buffer: WriteBuffer) => Promise<void>): Promise<void> {
    const file = await this.#disk.open(path, "create", this.#path);
    try {
      const buffer = new WriteBuffer(file);
      await write(buffer);
      await buffer.flush();
      await file.datasync();
    } finally {
      await file.close();
    }
    await this.#disk.syncDirectory(path);
  }
}
