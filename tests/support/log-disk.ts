import {
  formatControlLine,
  type Header,
  parseControlLine,
} from "../../src/cluster/storage/format/control-line.ts";
import { toLogRecord } from "../../src/cluster/storage/format/record.ts";
import { RecordOrder } from "../../src/cluster/storage/format/record-order.ts";
import { Tokenizer } from "../../src/cluster/storage/format/tokenizer.ts";
import type { LogStore } from "../../src/cluster/storage/log-store.ts";
import type { LogRecord } from "../../src/cluster/storage/model.ts";
import type { LogOptions } from "../../src/cluster/storage/options.ts";
import { repairLog } from "../../src/cluster/storage/tools/index.ts";
import { dbfile, openOn } from "./log-fixtures.ts";
import { SimulatedDisk } from "./simulated-disk.ts";

/** The disk of one replica. It outlives the process; a test can make it hang, fill it, and change the log on it. */
export class LogDisk {
  readonly #disk = new SimulatedDisk();
  /** While set, nothing is synced before it resolves; if it rejects, the sync fails. */
  hold: Promise<void> | undefined;

  constructor() {
    this.#disk.intercept = ({ kind }) => (kind === "datasync" ? this.hold : undefined);
  }

  set isFull(isFull: boolean) {
    this.#disk.freeBytes = isFull ? 0 : Number.MAX_SAFE_INTEGER;
  }

  open(options: Partial<Omit<LogOptions, "disk" | "dbfile" | "rbfile">>): Promise<LogStore> {
    return openOn(this.#disk, options);
  }

  /** The process dies and the machine with it: what was not synced is lost. The disk works again. */
  crash(): void {
    this.#disk.crash(() => 0);
    this.hold = undefined;
    this.isFull = false;
  }

  /** The log file. */
  get bytes(): Buffer {
    return this.#disk.contents(dbfile) ?? Buffer.alloc(0);
  }

  /** Writes an older state over the file, as a backup that is restored does. */
  restore(bytes: Uint8Array): void {
    this.#disk.overwrite(dbfile, bytes);
  }

  /** Opens the log, changes it and closes it, as another process would. */
  async change(change: (store: LogStore) => Promise<void>): Promise<void> {
    const store = await this.open({});
    await change(store);
    await store.close();
  }

  get header(): Header {
    const { bytes } = this;
    const parsed = parseControlLine(bytes, 0, bytes.indexOf("\n"));
    if (parsed.kind !== "line" || parsed.control.kind !== "header") throw new Error("the log has no header");
    return parsed.control;
  }

  /** Changes what the header says. */
  changeHeader(change: (header: Header) => Partial<Header>): void {
    const { bytes, header } = this;
    const changed = formatControlLine({ ...header, ...change(header) });
    this.restore(Buffer.concat([Buffer.from(changed), bytes.subarray(bytes.indexOf("\n") + 1)]));
  }

  /** Makes the log one of an earlier version, which noted no lives. */
  forgetLives(): void {
    this.changeHeader(() => ({ life: undefined }));
    this.restore(Buffer.from(this.bytes.toString("latin1").replace(/^!life .*\n/gm, ""), "latin1"));
  }

  /** Makes the record unreadable. */
  damage(record: { readonly epoch: number; readonly seq: number }): void {
    const at = this.bytes.indexOf(`# ${record.epoch}.${record.seq} `);
    if (at < 0) throw new Error(`record ${record.epoch}.${record.seq} is not in the file`);
    this.#disk.flip(dbfile, at, 1);
  }

  async repair(): Promise<void> {
    await repairLog(this.#disk, dbfile);
  }

  /** The records in the file, synced or not. */
  get records(): LogRecord[] {
    const order = new RecordOrder();
    return new Tokenizer(0, true).split(this.bytes, true).tokens.flatMap((token) => {
      if (token.kind === "bad") return [];
      order.take(token);
      return token.kind === "record" ? [toLogRecord(token.window, token.record, order.last)] : [];
    });
  }
}
