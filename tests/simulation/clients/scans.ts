import type { KvClient } from "kvlab";
import type { ScanRequest, ScanResponse } from "../../../gen/kvlab/v1/data_pb.ts";
import { positionsOf } from "../../../src/client/positions.ts";
import { compareKeys } from "../../../src/common/key-order.ts";
import type { ScanOperation, StoreOperation } from "../../checker/store-model.ts";
import type { StreamTap } from "../world/transport.ts";
import { shownValue } from "./shown-value.ts";

/** One stream of a scan, as far as it has come. */
interface Moment {
  readonly group: string;
  at: number | undefined;
  /** The last key that has come of it. */
  last: string | undefined;
}

/** What the streams of one client's scan tell beside its keys: of which moments these are. */
export class ScanMoments implements StreamTap {
  /** While set, a scan is under way. */
  isBusy = false;
  /** The groups of a scan that a router has merged. Undefined when the client merges. */
  routed: Set<string> | undefined;
  #moments: Moment[] = [];

  /** Another scan begins. */
  forget(): void {
    this.#moments = [];
    this.routed = undefined;
  }

  opened(request: unknown) {
    if (!isScan(request)) return undefined;
    if (request.group === "") return this.#openedRouted();
    const moment: Moment = { group: request.group, at: undefined, last: undefined };
    this.#moments.push(moment);
    return {
      message(answer: unknown) {
        const { revision, items } = answer as ScanResponse;
        moment.at ??= Number(revision);
        moment.last = items.at(-1)?.key ?? moment.last;
      },
      ended() {},
    };
  }

  #openedRouted() {
    this.routed = new Set();
    return {
      message: (answer: unknown) => {
        const { watchToken } = answer as ScanResponse;
        if (watchToken === "") return;
        for (const group of positionsOf(watchToken).groups.keys()) this.routed?.add(group);
      },
      ended() {},
    };
  }

  /** Those of a group, each with the key up to which it has brought all; the last one to the end. */
  of(group: string): readonly { readonly at: number; readonly upTo: string | undefined }[] {
    const told = this.#moments.filter((each) => each.group === group && each.at !== undefined);
    return told.flatMap(({ at = 0, last }, index) => {
      const isLast = index === told.length - 1;
      return isLast || last !== undefined ? [{ at, upTo: isLast ? undefined : last }] : [];
    });
  }
}

function isScan(request: unknown): request is ScanRequest {
  return typeof request === "object" && request !== null && "keysOnly" in request;
}

/**
 * Scans all groups. Returns what each group was asked for as operations of one moment: several where the scan had to go
 * on with another; one for each key where a router has merged the scan, and does not tell its moments. Errors: KvError.
 */
export async function scanAll(
  kv: KvClient,
  moments: ScanMoments,
  keysOf: ReadonlyMap<string, readonly string[]>,
  options: { readonly deadlineMs: number },
): Promise<ReadonlyMap<string, readonly StoreOperation[]>> {
  moments.forget();
  moments.isBusy = true;
  const found: { key: string; value: string; revision: number }[] = [];
  try {
    for await (const entry of entriesOf(kv, options)) found.push(entry);
  } finally {
    moments.isBusy = false;
  }
  const { routed } = moments;
  const operations = [...keysOf].map(([group, keys]): [string, StoreOperation[]] => {
    if (routed !== undefined) return [group, routed.has(group) ? keys.map((key) => readOf(key, found)) : []];
    const own = found.filter(({ key }) => keys.includes(key));
    let from: string | undefined;
    const parts = moments.of(group).map(({ at, upTo }): ScanOperation => {
      const after = from;
      const isIn = (key: string) =>
        (after === undefined || compareKeys(key, after) > 0) &&
        (upTo === undefined || compareKeys(key, upTo) <= 0);
      from = upTo;
      return {
        kind: "scan",
        keys: keys.filter(isIn),
        result: { at, found: own.filter(({ key }) => isIn(key)) },
      };
    });
    return [group, parts.filter(({ keys: within }) => within.length > 0)];
  });
  return new Map(operations);
}

/** Scans all groups while keys may change hands. Returns what it says of each key. Errors: KvError. */
export async function scanMoving(
  kv: KvClient,
  moments: ScanMoments,
  keys: readonly string[],
  options: { readonly deadlineMs: number },
): Promise<readonly StoreOperation[]> {
  moments.forget();
  moments.isBusy = true;
  try {
    const found: { key: string; value: string; revision: number }[] = [];
    for await (const entry of entriesOf(kv, options)) found.push(entry);
    const shown = new Set(found.map(({ key }) => key));
    if (shown.size < found.length) throw new RangeError("a scan shows a key twice");
    return keys.map((key) => readOf(key, found));
  } finally {
    moments.isBusy = false;
  }
}

async function* entriesOf(kv: KvClient, options: { readonly deadlineMs: number }) {
  for await (const entry of kv.scan(options)) {
    yield { key: entry.key, value: shownValue(entry.text()), revision: entry.revision };
  }
}

function readOf(
  key: string,
  found: readonly { key: string; value: string; revision: number }[],
): StoreOperation {
  const { value, revision } = found.find((each) => each.key === key) ?? {};
  const isFound = value !== undefined && revision !== undefined;
  return { kind: "get", key, result: isFound ? { value, revision } : "not-found" };
}
