import { create } from "@bufbuild/protobuf";
import { type KeyValue, type ScanRequest, ScanRequestSchema } from "../../gen/kvlab/v1/data_pb.ts";
import { compareKeys } from "../common/key-order.ts";
import type { Cluster } from "./cluster.ts";
import { Deadline } from "./deadline.ts";
import { KvError } from "./errors.ts";
import { type CallOptions, callKinds } from "./options.ts";
import { count, type Kinds, text, yesOrNo } from "./options-check.ts";
import { type Position, tokenOf } from "./positions.ts";
import { checkKey } from "./requests.ts";
import { resumed } from "./resumed.ts";
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

/** The part of one group: the rest of its last answer, and the answers to come. */
interface Part {
  readonly answers: AsyncGenerator<readonly KeyValue[]>;
  items: readonly KeyValue[];
  index: number;
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
  const moments = new Map<string, Position>();
  let groups = 0;
  async function* run(): AsyncGenerator<T> {
    const lifetime = new Deadline(cluster.deadlines, Number.POSITIVE_INFINITY, options.signal);
    cluster.track(lifetime);
    try {
      const first = new Deadline(cluster.deadlines, options.deadlineMs, options.signal);
      const names = await cluster.groups(first).finally(() => first.release());
      groups = names.length;
      const parts = names.map((group) => ({
        answers: scanGroup(cluster, {
          request: { ...request, group },
          deadlineMs: options.deadlineMs,
          lifetime,
          moments,
        }),
        items: [],
        index: 0,
      }));
      let left = options.limit ?? Number.POSITIVE_INFINITY;
      for await (const item of merged(parts, options.reverse ?? false)) {
        yield present(item);
        if (--left === 0) return;
      }
    } finally {
      cluster.forget(lifetime);
      // Ends the parts that were not read to their end.
      lifetime.end(new KvError("aborted", "the scan is over"));
    }
  }
  const running = run();
  return {
    [Symbol.asyncIterator]: () => running,
    get watchToken() {
      if (groups === 0 || moments.size < groups) return undefined;
      return tokenOf({ cluster: cluster.topology.view?.clusterId ?? "", groups: moments });
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

interface GroupScan {
  readonly request: ScanRequest;
  readonly deadlineMs: number;
  readonly lifetime: Deadline;
  /** The moment of each group's first snapshot. The scan of a group adds its own. */
  readonly moments: Map<string, Position>;
}

/** Scans the keys of one group. After a break it continues after the last key that has come. */
async function* scanGroup(
  cluster: Cluster,
  { request, deadlineMs, lifetime, moments }: GroupScan,
): AsyncGenerator<readonly KeyValue[]> {
  let { after, limit } = request;
  const isLimited = limit > 0n;
  const answers = resumed(cluster, {
    group: request.group,
    open: (data, options) => data.scan({ ...request, ...(after !== undefined && { after }), limit }, options),
    endless: false,
    firstAnswerMs: deadlineMs,
    answerMs: deadlineMs,
    lifetime,
  });
  for await (const { items, revision, epoch } of answers) {
    cluster.names.saw(request.group, revision);
    // A watch after the first snapshot misses nothing, even if the rest is of later ones.
    if (!moments.has(request.group)) moments.set(request.group, { revision, epoch });
    after = items.at(-1)?.key ?? after;
    if (isLimited) limit -= BigInt(items.length);
    yield items;
    // After a break the call asks for the rest of the limit, and a limit of 0 would ask for all.
    if (isLimited && limit <= 0n) return;
  }
}

/** Merges the keys of several groups. */
async function* merged(parts: readonly Part[], reverse: boolean): AsyncGenerator<KeyValue> {
  const sign = reverse ? -1 : 1;
  let open = await filled(parts);
  while (open.length > 0) {
    let first: { part: Part; item: KeyValue } | undefined;
    for (const part of open) {
      const item = part.items[part.index];
      if (item === undefined) continue;
      if (first === undefined || sign * compareKeys(item.key, first.item.key) < 0) first = { part, item };
    }
    if (first === undefined) return;
    yield first.item;
    first.part.index++;
    if (first.part.index === first.part.items.length) open = await filled(open);
  }
}

/** The parts that have keys left, after their next keys have come. */
async function filled(parts: readonly Part[]): Promise<Part[]> {
  const more = await Promise.all(parts.map(fill));
  return parts.filter((_, index) => more[index]);
}

async function fill(part: Part): Promise<boolean> {
  while (part.index === part.items.length) {
    const { done, value } = await part.answers.next();
    if (done) return false;
    part.items = value;
    part.index = 0;
  }
  return true;
}
