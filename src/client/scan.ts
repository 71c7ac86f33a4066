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

/** Which keys, and how. `deadlineMs` is the longest time that the next key may take. */
export interface ScanOptions extends CallOptions {
  /** Only keys that begin with this. */
  readonly prefix?: string | undefined;
  /** Only keys from this one on. */
  readonly start?: string | undefined;
  /** Only keys before this one. */
  readonly end?: string | undefined;
  /** Only keys that come, in the order of the scan, after this one: to go on after the last key of an earlier scan. */
  readonly after?: string | undefined;
  /** From the last key to the first. */
  readonly reverse?: boolean | undefined;
  /** Keys at most: a whole number, at least 1. Default: all. */
  readonly limit?: number | undefined;
}

/** `keysOnly` is of the call, not of what it is told. */
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
 * Keys of all groups in the order of their UTF-8 bytes. Each group's are those that it had at one moment; when its
 * server is replaced meanwhile, what follows is as of a later moment. Can be iterated once. Errors: KvError.
 */
export interface Scan<T> extends AsyncIterable<T> {
  /**
   * A token for `watch`: a watch after it tells every change since the moments that the scan shows. Undefined until the
   * first key has come, or the end.
   */
  readonly watchToken: string | undefined;
}

/** One group's part: what is left of its last answer, and where more comes from. */
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
    const lifetime = new Deadline(cluster.clock, Number.POSITIVE_INFINITY, options.signal);
    const leave = cluster.track(lifetime);
    try {
      const first = new Deadline(cluster.clock, options.deadlineMs, options.signal);
      const names = await cluster.groups(first).finally(() => first.release());
      groups = names.length;
      const parts = names.map((group) => ({
        answers: scanGroup(cluster, { ...request, group }, options.deadlineMs, lifetime, moments),
        items: [],
        index: 0,
      }));
      let left = options.limit ?? Number.POSITIVE_INFINITY;
      for await (const item of merged(parts, options.reverse ?? false)) {
        yield present(item);
        if (--left === 0) return;
      }
    } finally {
      leave();
      // Ends the parts that are not read to their end.
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

/** One group's keys. After a break it goes on behind the last one that has come. */
async function* scanGroup(
  cluster: Cluster,
  request: ScanRequest,
  deadlineMs: number,
  lifetime: Deadline,
  moments: Map<string, Position>,
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
    // A watch after the first moment misses nothing, whichever moments the rest is of.
    if (!moments.has(request.group)) moments.set(request.group, { revision, epoch });
    after = items.at(-1)?.key ?? after;
    if (isLimited) limit -= BigInt(items.length);
    yield items;
    // A call for what is left of the limit, after a break, would ask for all when nothing is.
    if (isLimited && limit <= 0n) return;
  }
}

/** Keys of several groups in one order. */
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

/** Those that have keys left, with the next of them at hand. */
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
