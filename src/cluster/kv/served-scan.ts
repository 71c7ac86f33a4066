import { OperationError } from "../metadata/operation-error.ts";
import { LogStoreError } from "../storage/errors.ts";
import type { ScannedEntry, ScannedKey, ScanReader, ScanStep } from "../storage/key-view.ts";
import type { Position } from "../storage/model.ts";
import type { ServedKeys } from "./key-guard.ts";

/** A scan of the keys that a group serves. */
export interface GroupScan extends ScanReader {
  /** Version of the ring by which they are the group's. */
  readonly ringVersion: number;
}

/** The keys of a scan that this group served when it was opened. */
export class ServedScan implements GroupScan {
  readonly #reader: ScanReader;
  readonly #served: ServedKeys;

  constructor(reader: ScanReader, served: ServedKeys) {
    this.#reader = reader;
    this.#served = served;
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

  nextKeys(max: number): ScannedKey[] {
    try {
      for (;;) {
        const keys = this.#reader.nextKeys(max);
        const found = keys.filter(({ key }) => this.#served.has(key));
        if (found.length > 0 || keys.length === 0) return found;
      }
    } catch (error) {
      return lostScan(error);
    }
  }

  async nextEntries(step: ScanStep): Promise<ScannedEntry[]> {
    for (;;) {
      const entries = await this.#reader.nextEntries(step).catch(lostScan);
      const found = entries.filter(({ key }) => this.#served.has(key));
      if (found.length > 0 || entries.length === 0) return found;
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
