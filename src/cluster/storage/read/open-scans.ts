import { LogStoreError } from "../errors.ts";
import type { PlacedValue } from "./placed-value.ts";

/** More readers than this are not opened. */
const scansMax = 64;

/** Old values that all scans together are kept; about 100 bytes each. */
const keptMax = 500_000;

/** What an open scan is told. */
export interface Observer {
  /** Whether it must know what a key was before it changes. */
  wants(key: string): boolean;
  /** A wanted key is about to change; `before` is undefined when it has no value. */
  keep(key: string, before: PlacedValue | undefined): void;
  /** How many it keeps. */
  readonly keptCount: number;
  /** It cannot go on. */
  fail(error: LogStoreError): void;
}

/** The scans that are open on a log. */
export class OpenScans {
  readonly #scans = new Set<Observer>();

  /** Errors: LogStoreError `overrun`. */
  add(scan: Observer): void {
    if (this.#scans.size >= scansMax) {
      throw new LogStoreError("overrun", `${scansMax} scans are open already; no more are allowed`);
    }
    this.#scans.add(scan);
  }

  delete(scan: Observer): void {
    this.#scans.delete(scan);
  }

  /** To be called just before a visible key changes. */
  beforeChange(key: string, find: () => PlacedValue | undefined): void {
    if (this.#scans.size === 0) return;
    let before: { readonly value: PlacedValue | undefined } | undefined;
    for (const scan of this.#scans) {
      if (!scan.wants(key)) continue;
      before ??= { value: find() };
      scan.keep(key, before.value);
    }
    if (before !== undefined) this.#limit();
  }

  /** The keys are those of another log now. */
  supersede(): void {
    const error = new LogStoreError(
      "superseded",
      "another log has taken the place of the one that this scan reads",
    );
    for (const scan of this.#scans) scan.fail(error);
    this.#scans.clear();
  }

  #limit(): void {
    let kept = 0;
    let largest: Observer | undefined;
    for (const scan of this.#scans) {
      kept += scan.keptCount;
      if (scan.keptCount > (largest?.keptCount ?? 0)) largest = scan;
    }
    if (kept <= keptMax || largest === undefined) return;
    this.#scans.delete(largest);
    largest.fail(new LogStoreError("overrun", `more than ${keptMax} keys changed under all open scans`));
  }
}
