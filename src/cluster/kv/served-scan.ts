import { type Clock, sleep } from "../../common/clock.ts";
import { OperationError } from "../metadata/operation-error.ts";
import { LogStoreError } from "../storage/errors.ts";
import type { ScannedEntry, ScannedKey, ScanReader, ScanStep } from "../storage/key-view.ts";
import type { Position } from "../storage/model.ts";
import type { ServedKeys } from "./key-guard.ts";

/** Keys that are looked at in one turn: a group may have any number of copies of keys that are still another's. */
const turnKeysMax = 1000;

/** Between two turns. */
const restMs = 1;

/** A scan of the keys that a group serves. */
export interface GroupScan extends Omit<ScanReader, "nextKeys"> {
  /** As `ScanReader.nextKeys`. */
  nextKeys(max: number): Promise<ScannedKey[]>;
  /** Version of the ring by which they are the group's. */
  readonly ringVersion: number;
}

/** The keys of a scan that this group served when it was opened. */
export class ServedScan implements GroupScan {
  readonly #reader: ScanReader;
  readonly #served: ServedKeys;
  readonly #clock: Clock;

  constructor(reader: ScanReader, served: ServedKeys, clock: Clock) {
    this.#reader = reader;
    this.#served = served;
    this.#clock = clock;
  }

  get at(): Position {
    return this.#reader.at;
  }

  get revision(): number {
    return this.#reader.revision;
  }

  get ringVersion(): number {
    return this.#served.ringVersion;
  }

  nextKeys(max: number): Promise<ScannedKey[]> {
    return this.#next(() => this.#reader.nextKeys(max));
  }

  nextEntries(step: ScanStep): Promise<ScannedEntry[]> {
    return this.#next(() => this.#reader.nextEntries(step));
  }

  async #next<T extends { readonly key: string }>(read: () => T[] | Promise<T[]>): Promise<T[]> {
    try {
      for (let looked = 0; ; ) {
        const keys = await read();
        const found = keys.filter(({ key }) => this.#served.has(key));
        if (found.length > 0 || keys.length === 0) return found;
        looked += keys.length;
        if (looked < turnKeysMax) continue;
        looked = 0;
        await sleep(this.#clock, restMs);
      }
    } catch (error) {
      return lostScan(error);
    }
  }

  close(): Promise<void> {
    return this.#reader.close();
  }
}

/** Throws why an open scan cannot continue. If a new scan can, the error says so. */
function lostScan(error: unknown): never {
  const canGoOn = error instanceof LogStoreError && ["overrun", "superseded", "closed"].includes(error.code);
  throw canGoOn ? new OperationError("scan-overrun", error.message, { cause: error }) : error;
}
