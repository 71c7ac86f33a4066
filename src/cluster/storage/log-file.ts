import { invariant } from "../../common/invariant.ts";
import type { DiskFile } from "./disk/disk.ts";
import type { OffsetIndex } from "./index/offset-index.ts";
import type { LogIdentity, Position } from "./model.ts";

/** How much of a log its index file stands for, and how long that is itself. */
export interface IndexedPart {
  readonly logBytes: number;
  readonly indexBytes: number;
}

/** What is known of a file that is the log. */
export interface LogFileFacts {
  /** End of what is on disk; the next record belongs here. */
  readonly endBytes: number;
  /** CRC-32 of everything up to there, as it was checked when it was read, or written; only of a log without damage. */
  readonly checksum: number;
  /** Whom the header names. */
  readonly identity: LogIdentity | undefined;
  /** The last life that was begun on this log. */
  readonly life: bigint | undefined;
  /** Whether the header was written for another file: see `LogStore.isCopy`. */
  readonly isCopy: boolean;
  /** Whether damage has taken the header: nobody can say whose log it was. */
  readonly hasLostHeader: boolean;
  /** Where the first damage begins, and the last good record, which may stand behind it. */
  readonly damage: { readonly offset: number; readonly last: Position } | undefined;
  /** Bytes of header and base line, which every rewrite makes anew. */
  readonly frameBytes: number;
  /** The last record that the original program wrote. */
  readonly legacySeq: number;
  /** Where some of the records after the base stand. */
  readonly offsets: OffsetIndex;
  /** Undefined when there is no index file that is known to fit. */
  readonly indexed?: IndexedPart | undefined;
}

/**
 * A file that is the log, or was it until a rewrite replaced it and is still being read. It begins with one user, the
 * log; the last one to release it closes it.
 */
export class LogFile implements LogFileFacts {
  readonly file: DiskFile;
  readonly identity: LogFileFacts["identity"];
  readonly isCopy: boolean;
  readonly hasLostHeader: boolean;
  readonly damage: LogFileFacts["damage"];
  readonly frameBytes: number;
  readonly legacySeq: number;
  readonly offsets: OffsetIndex;
  #endBytes: number;
  #checksum: number;
  #life: bigint | undefined;
  #users = 1;
  indexed: IndexedPart | undefined;

  constructor(file: DiskFile, facts: LogFileFacts) {
    this.file = file;
    this.identity = facts.identity;
    this.isCopy = facts.isCopy;
    this.hasLostHeader = facts.hasLostHeader;
    this.damage = facts.damage;
    this.frameBytes = facts.frameBytes;
    this.legacySeq = facts.legacySeq;
    this.offsets = facts.offsets;
    this.indexed = facts.indexed;
    this.#endBytes = facts.endBytes;
    this.#checksum = facts.checksum;
    this.#life = facts.life;
  }

  get endBytes(): number {
    return this.#endBytes;
  }

  get checksum(): number {
    return this.#checksum;
  }

  get life(): bigint | undefined {
    return this.#life;
  }

  use(): void {
    this.#users++;
  }

  async release(): Promise<void> {
    this.#users--;
    if (this.#users === 0) await this.file.close();
  }

  /** More of the file is on disk. */
  grown(endBytes: number, checksum: number): void {
    invariant(endBytes >= this.#endBytes, "what is on disk of the log stays there");
    this.#endBytes = endBytes;
    this.#checksum = checksum;
  }

  /** It is on disk that a life has begun. */
  begun(life: bigint): void {
    invariant(this.#life === undefined || life > this.#life, "lives rise");
    this.#life = life;
  }
}
