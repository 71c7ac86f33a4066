import type { EpochStart, LogIdentity, Position } from "../log-store.ts";
import type { Header, ParsedRecord } from "./format.ts";
import type { ControlUnit, RecordUnit } from "./scan.ts";

/** The order that units must stand in, and what they say together. One `take` for each unit of a file, from its first. */
export class Sequence {
  header: Header | undefined;
  base: Position = { epoch: 0, seq: 0 };
  last: Position = { epoch: 0, seq: 0 };
  promisedEpoch = 0;
  /** Seq of the last record of the original program. */
  legacySeq = 0;
  /** Bytes of header and base line: what every rewriting makes again. */
  frameBytes = 0;
  epochs: readonly EpochStart[] = [];
  #snapshotRecords = 0;
  #isInSnapshot = false;

  get identity(): LogIdentity | undefined {
    return this.header?.identity;
  }

  /** Whether the base line of a snapshot part is still to come. */
  get isInSnapshot(): boolean {
    return this.#isInSnapshot;
  }

  /** Takes a unit in; or says why it cannot stand here, and takes nothing. */
  take(unit: RecordUnit | ControlUnit): string | undefined {
    return unit.kind === "record" ? this.#takeRecord(unit.record) : this.#takeControl(unit);
  }

  #takeRecord(record: ParsedRecord): string | undefined {
    const { last } = this;
    const { epoch, seq } = record.legacy ? { epoch: 0, seq: last.seq + 1 } : record;
    const isNext = this.#isInSnapshot ? seq > last.seq : seq === last.seq + 1;
    if (!isNext) return `seq ${seq} follows seq ${last.seq}: records are missing or out of order`;
    if (epoch < last.epoch) return `epoch ${epoch} follows epoch ${last.epoch}`;
    if (record.legacy) this.legacySeq = seq;
    if (this.#isInSnapshot) this.#snapshotRecords++;
    else if (epoch > last.epoch) this.epochs = [...this.epochs, { epoch, firstSeq: seq }];
    this.last = { epoch, seq };
    this.promisedEpoch = Math.max(this.promisedEpoch, epoch);
    return undefined;
  }

  #takeControl({ control, offset, bytes }: ControlUnit): string | undefined {
    switch (control.kind) {
      case "header":
        if (offset !== 0) return "a header stands within the file";
        this.header = control;
        this.#isInSnapshot = control.snapshot;
        break;
      case "promise":
        if (this.#isInSnapshot) return "the snapshot part has no end";
        this.promisedEpoch = Math.max(this.promisedEpoch, control.epoch);
        return undefined;
      case "base": {
        const { base, records } = control;
        if (!this.#isInSnapshot) return "the end of a snapshot part stands outside of one";
        if (records !== this.#snapshotRecords || base.seq < this.last.seq || base.epoch < this.last.epoch) {
          return `the snapshot part has ${this.#snapshotRecords} records up to seq ${this.last.seq}; expected are ${records} up to seq ${base.seq}`;
        }
        this.#isInSnapshot = false;
        this.base = base;
        this.last = base;
        this.epochs = control.epochs;
        this.promisedEpoch = Math.max(this.promisedEpoch, control.promisedEpoch, base.epoch);
      }
    }
    this.frameBytes += bytes;
    return undefined;
  }
}
