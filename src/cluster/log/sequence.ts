import type { EpochStart, LogIdentity, Position } from "../log-store.ts";
import type { BaseLine, ParsedRecord } from "./format.ts";
import type { ControlUnit, RecordUnit } from "./scan.ts";

/** The order that the units of a log must stand in, and what they say together. Is shown each, from the first on. */
export class Sequence {
  identity: LogIdentity | undefined;
  base: Position = { epoch: 0, seq: 0 };
  last: Position = { epoch: 0, seq: 0 };
  epochs: readonly EpochStart[] = [];
  promisedEpoch = 0;
  /** Seq of the last record of the original program. */
  legacySeq = 0;
  /** Bytes of header and base line: what every rewriting makes anew. */
  frameBytes = 0;
  /** Within a snapshot part: records have gaps, and its end is still to come. */
  isInSnapshot = false;
  #snapshotRecords = 0;
  /** Something before the next record is lost: there may be a gap once; or until the next base line, for all we know. */
  #loss: "none" | "records" | "header" = "none";
  #hasLoss = false;

  /** Takes a unit in. Says why it cannot stand here, if so; it is taken in all the same. */
  take(unit: RecordUnit | ControlUnit): string | undefined {
    if (unit.kind === "record") return this.#takeRecord(unit.record);
    const { control, offset, bytes } = unit;
    switch (control.kind) {
      case "promise":
        this.#promise(control.epoch);
        return this.isInSnapshot ? "a promise stands within the snapshot part" : undefined;
      case "header":
        this.frameBytes += bytes;
        if (offset !== 0) return "a header stands within the file";
        this.identity = control.identity;
        this.isInSnapshot = control.snapshot;
        return undefined;
      case "base":
        this.frameBytes += bytes;
        return this.#takeBase(control);
    }
  }

  /** Something before the next unit is lost. */
  lose(what: "records" | "header"): void {
    if (this.#loss !== "header") this.#loss = what;
    this.#hasLoss = true;
  }

  #takeRecord(record: ParsedRecord): string | undefined {
    const { last } = this;
    const { epoch, seq } = record.legacy ? { epoch: 0, seq: last.seq + 1 } : record;
    const allowsGap = this.isInSnapshot || this.#loss !== "none";
    if (this.#loss === "records") this.#loss = "none";
    if (record.legacy) this.legacySeq = seq;
    if (this.isInSnapshot) this.#snapshotRecords++;
    else if (epoch > last.epoch) this.epochs = [...this.epochs, { epoch, firstSeq: seq }];
    this.last = { epoch, seq };
    this.#promise(epoch);
    if (seq <= last.seq) return `record ${seq} stands after record ${last.seq}`;
    if (seq !== last.seq + 1 && !allowsGap) return `records ${last.seq + 1} to ${seq - 1} are missing`;
    return epoch < last.epoch ? `epoch ${epoch} stands after epoch ${last.epoch}` : undefined;
  }

  #takeBase({ base, records, epochs, promisedEpoch }: BaseLine): string | undefined {
    const { last, isInSnapshot } = this;
    const isExpected = isInSnapshot || this.#loss === "header";
    const isWhole = this.#hasLoss || records === this.#snapshotRecords;
    this.isInSnapshot = false;
    this.#loss = "none";
    this.base = base;
    this.last = base;
    this.epochs = epochs;
    this.#promise(Math.max(promisedEpoch, base.epoch));
    if (!isExpected) return "the end of a snapshot part stands outside of one";
    if (!isWhole)
      return `the snapshot part has ${this.#snapshotRecords} records; it was written with ${records}`;
    return base.seq < last.seq ? `base ${base.seq} stands after record ${last.seq}` : undefined;
  }

  #promise(epoch: number): void {
    this.promisedEpoch = Math.max(this.promisedEpoch, epoch);
  }
}
