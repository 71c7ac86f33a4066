import type { EpochStart, LogIdentity, Position } from "../model.ts";
import { MoveHistory } from "../move-history.ts";
import type { BaseLine } from "./control-line.ts";
import type { ParsedRecord } from "./record.ts";
import type { ControlToken, RecordToken } from "./token.ts";

/** What the beginning of a log says, up to somewhere behind its snapshot part. */
type OrderFacts = Pick<
  RecordOrder,
  | "identity"
  | "fileId"
  | "life"
  | "base"
  | "epoch"
  | "seq"
  | "epochs"
  | "moves"
  | "promisedEpoch"
  | "frameBytes"
>;

/** Takes the tokens of a log from the first on, checks their order, and keeps what they add up to. */
export class RecordOrder {
  identity: LogIdentity | undefined;
  /** See `Header.fileId`. */
  fileId: string | undefined;
  /** See `ReplicaLog.life`. */
  life: bigint | undefined;
  base: Position = { epoch: 0, seq: 0 };
  /** Of the last record. */
  epoch = 0;
  /** Of the last record. */
  seq = 0;
  epochs: readonly EpochStart[] = [];
  /** Within a snapshot part it lacks what the base will say. */
  moves = MoveHistory.none;
  promisedEpoch = 0;
  /** Seq of the last record of the original program. */
  legacySeq = 0;
  /** Bytes of header and base line. Every rewrite writes them again, so they are not garbage. */
  frameBytes = 0;
  /** Whether the tokens are within a snapshot part, where records have gaps. */
  isInSnapshot = false;
  #snapshotRecords = 0;
  /** What was lost before the next token. Lost records leave one gap. A lost header may have begun a snapshot part. */
  #loss: "none" | "records" | "header" = "none";
  #hasLoss = false;

  /** One that has taken in the beginning of a log, which said this. */
  static after(said: OrderFacts): RecordOrder {
    return Object.assign(new RecordOrder(), said);
  }

  get last(): Position {
    return { epoch: this.epoch, seq: this.seq };
  }

  /** Takes a token. Returns the result of `problemWith`. */
  take(token: RecordToken | ControlToken): string | undefined {
    const problem = this.problemWith(token);
    if (token.kind === "record") {
      this.#takeRecord(token.record);
      return problem;
    }
    const { control, bytes } = token;
    if (control.kind === "promise") {
      this.#promise(control.epoch);
      return problem;
    }
    if (control.kind === "life") {
      this.#live(control.life);
      return problem;
    }
    this.frameBytes += bytes;
    if (control.kind === "base") {
      this.#takeBase(control);
    } else {
      this.identity ??= control.identity;
      this.fileId ??= control.fileId;
      if (control.life !== undefined) this.#live(control.life);
      this.isInSnapshot = control.snapshot;
    }
    return problem;
  }

  /** Why a token is out of place here. Undefined when it is not. */
  problemWith(token: RecordToken | ControlToken): string | undefined {
    if (token.kind === "record") return this.#problemWithRecord(token.record);
    switch (token.control.kind) {
      case "header":
        return token.offset === 0 ? undefined : "a header stands within the file";
      case "promise":
        return this.isInSnapshot ? "a promise stands within the snapshot part" : undefined;
      case "life":
        return this.isInSnapshot ? "a life begins within the snapshot part" : undefined;
      case "base":
        return this.#problemWithBase(token.control);
    }
  }

  /** Notes that something before the next token was lost. */
  lose(what: "records" | "header"): void {
    if (this.#loss !== "header") this.#loss = what;
    this.#hasLoss = true;
  }

  #problemWithRecord(record: ParsedRecord): string | undefined {
    if (record.legacy) return undefined;
    const { epoch, seq } = this;
    if (record.seq <= seq) return `record ${record.seq} stands after record ${seq}`;
    if (record.epoch < epoch) return `epoch ${record.epoch} stands after epoch ${epoch}`;
    if (record.seq === seq + 1 || this.isInSnapshot || this.#loss !== "none") return undefined;
    return `records ${seq + 1} to ${record.seq - 1} are missing`;
  }

  #problemWithBase({ base, records }: BaseLine): string | undefined {
    if (!this.isInSnapshot && this.#loss !== "header")
      return "the end of a snapshot part stands outside of one";
    if (!this.#hasLoss && records !== this.#snapshotRecords) {
      return `the snapshot part has ${this.#snapshotRecords} records; it was written with ${records}`;
    }
    return base.seq < this.seq ? `base ${base.seq} stands after record ${this.seq}` : undefined;
  }

  #takeRecord(record: ParsedRecord): void {
    const epoch = record.legacy ? 0 : record.epoch;
    const seq = record.legacy ? this.seq + 1 : record.seq;
    if (record.legacy) this.legacySeq = seq;
    if (this.isInSnapshot) this.#snapshotRecords++;
    else if (epoch > this.epoch) this.epochs = [...this.epochs, { epoch, firstSeq: seq }];
    if (this.#loss === "records") this.#loss = "none";
    this.epoch = epoch;
    this.seq = seq;
    this.moves = this.moves.with({ seq, move: record.move });
    this.#promise(epoch);
  }

  #takeBase({ base, epochs, promisedEpoch, moves }: BaseLine): void {
    this.isInSnapshot = false;
    this.#loss = "none";
    this.base = base;
    this.epoch = base.epoch;
    this.seq = base.seq;
    this.epochs = epochs;
    this.moves = MoveHistory.after(base.seq, moves);
    this.#promise(Math.max(promisedEpoch, base.epoch));
  }

  /** The latest life counts: a header may be written while another life begins. */
  #live(life: bigint): void {
    if (this.life === undefined || life > this.life) this.life = life;
  }

  #promise(epoch: number): void {
    this.promisedEpoch = Math.max(this.promisedEpoch, epoch);
  }
}
