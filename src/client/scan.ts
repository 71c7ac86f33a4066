import { create } from "@bufbuild/protobuf";
import { type KeyValue, type ScanRequest, ScanRequestSchema } from "../../gen/kvlab/v1/data_pb.ts";
import { count, type Kinds, text, yesOrNo } from "../common/option-kinds.ts";
import type { Cluster } from "./cluster.ts";
import { Deadline } from "./deadline.ts";
import { KvError } from "./errors.ts";
import { MergedScan, type ScanSource } from "./merged-scan.ts";
import { type CallOptions, callKinds } from "./options.ts";
import { checkKey } from "./requests.ts";
import { RoutedScan } from "./routed-scan.ts";
import { fromOptional, fromWire, KvEntry, type KvKey } from "./values.ts";

/** Which keys to scan, and how. `deadlineMs` limits the time that the next keys may take. */
export interface ScanOptions extends CallOptions {
  /** Only keys that begin with this. */
  readonly prefix?: string | undefined;
  /** Only this key and later ones. */
  readonly start?: string | undefined;
  /** Only keys before this one. */
  readonly end?: string | undefined;
  /** Only keys after this one, in the order of the scan. To continue an earlier scan, give its last key. */
  readonly after?: string | undefined;
  /** Whether to scan from the last key to the first. */
  readonly reverse?: boolean | undefined;
  /** Maximum number of keys: a whole number, at least 1. Default: all. */
  readonly limit?: number | undefined;
}

/** Overloads of `scan` have `keysOnly`, which is not part of the public options. */
export const scanKinds: Kinds<ScanOptions & { keysOnly: boolean }> = {
  ...callKinds,
  prefix: text,
  start: text,
  end: text,
  after: text,
  reverse: yesOrNo,
  limit: count,
  keysOnly: yesOrNo,
};

/**
 * Keys of all groups in the order of their UTF-8 bytes. The keys of a group are a snapshot of one moment. If the primary
 * of the group changes during the scan, the rest of its keys are a snapshot of a later moment. Can be iterated once.
 * Errors: KvError.
 */
export interface Scan<T> extends AsyncIterable<T> {
  /**
   * A token for `watch`: a watch after it gets every change since the snapshots of the scan. Undefined until the first
   * key, or the end of the scan.
   */
  readonly watchToken: string | undefined;
}

export function scanEntries(cluster: Cluster, options: ScanOptions & { deadlineMs: number }): Scan<KvEntry> {
  return scanAs(cluster, options, false, (item) => {
    return new KvEntry(item.key, fromWire(item.value), Number(item.revision), fromOptional(item.ttlLeftMs));
  });
}

export function scanKeys(cluster: Cluster, options: ScanOptions & { deadlineMs: number }): Scan<KvKey> {
  return scanAs(cluster, options, true, ({ key, revision, ttlLeftMs }) => {
    return { key, revision: Number(revision), ttlLeftMs: fromOptional(ttlLeftMs) };
  });
}

function scanAs<T>(
  cluster: Cluster,
  options: ScanOptions & { deadlineMs: number },
  keysOnly: boolean,
  present: (item: KeyValue) => T,
): Scan<T> {
  const request = requestOf(options, keysOnly);
  let source: ScanSource | undefined;
  async function* run(): AsyncGenerator<T> {
    const lifetime = new Deadline(cluster.deadlines, Number.POSITIVE_INFINITY, options.signal);
    cluster.track(lifetime);
    const { deadlineMs } = options;
    const onRevision = (group: string, revision: bigint) => cluster.names.saw(group, revision);
    source = cluster.direct
      ? new MergedScan(cluster, { request, deadlineMs, lifetime, onRevision })
      : new RoutedScan(cluster, { request, deadlineMs, lifetime });
    try {
      for await (const items of source.runs()) for (const item of items) yield present(item);
    } finally {
      cluster.forget(lifetime);
      // Ends the streams that were not read to their end.
      lifetime.end(new KvError("aborted", "the scan is over"));
    }
  }
  const running = run();
  return {
    [Symbol.asyncIterator]: () => running,
    get watchToken() {
      return source?.token;
    },
  };
}

function requestOf(options: ScanOptions, keysOnly: boolean): ScanRequest {
  const { prefix = "", start = "", end, after, reverse = false, limit } = options;
  for (const key of [prefix, start, end ?? "", after ?? ""]) checkKey(key);
  return create(ScanRequestSchema, {
    prefix,
    start,
    ...(end !== undefined && { end }),
    ...(after !== undefined && { after }),
    reverse,
    limit: BigInt(limit ?? 0),
    keysOnly,
  });
}
