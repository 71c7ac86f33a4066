import { fullDuplex } from "#transport";
import { read, write } from "./attempts.ts";
import { type Cluster, openCluster } from "./cluster.ts";
import { type Deadline, startDeadline } from "./deadline.ts";
import { KvError } from "./errors.ts";
import type { CallOptions, KvClientOptions } from "./options.ts";
import {
  type BatchStep,
  batchCall,
  checkKey,
  type DeleteCondition,
  deleteCall,
  getCall,
  keysOf,
  type PutCondition,
  putCall,
} from "./requests.ts";
import { type Scan, type ScanOptions, scanEntries, scanKeys } from "./scan.ts";
import { fromOptional, fromWire, KvEntry, type KvKey, type KvValue } from "./values.ts";
import { type Watch, type WatchOptions, watchEvents } from "./watch.ts";
import type { KvEvent, KvProgress } from "./watch-events.ts";

export interface PutOptions extends CallOptions, PutCondition {
  /** Milliseconds after which the key expires: a whole number, at least 1. Default: never, whatever was before. */
  readonly ttlMs?: number | undefined;
}

export interface DeleteOptions extends CallOptions, DeleteCondition {}

/** What a write has done. */
export interface KvWritten {
  /** Greater than every earlier one of the keys that were written. */
  readonly revision: number;
}

/** Where a key is kept. */
export interface KvPlace {
  readonly group: string;
  /** `host:port` of the group's primary; undefined while it has none. */
  readonly address: string | undefined;
}

/**
 * Reads and writes the keys of a cluster, on Bun, Node, Deno and in browsers.
 *
 * A call is repeated, until its deadline, as long as that is safe. Each write has a name under which it is carried out
 * once however often it is sent; so a broken connection or a failover is no more than a delay, unless it outlasts the
 * deadline. All errors are KvErrors; every call can fail with `invalid`, `unavailable`, `deadline`, `exhausted`,
 * `refused`, `aborted`, `closed` and `internal`, and a write with `outcome-unknown` besides.
 *
 * Connects when it is first used; until it is closed, it may keep the process running.
 */
export class KvClient implements AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #deadlineMs: number;

  /** Errors: `invalid`. */
  constructor(options: KvClientOptions) {
    const { deadlineMs = 10_000, direct = fullDuplex } = options;
    this.#deadlineMs = checkedDeadline(deadlineMs);
    this.#cluster = openCluster({
      routers: checkedRouters(options.routers),
      direct,
      operationsInFlightMax: checkedCount("operationsInFlightMax", options.operationsInFlightMax ?? 10_000),
      bytesInFlightMax: checkedCount("bytesInFlightMax", options.bytesInFlightMax ?? 8 * 1024 * 1024),
    });
  }

  /** The key's value; undefined when there is no such key. Sees every write that was acknowledged before the call. */
  get(key: string, options: CallOptions = {}): Promise<KvEntry | undefined> {
    return this.#within(options, async (deadline) => {
      const found = await read(this.#cluster, key, getCall(key), deadline);
      if (found === undefined) return undefined;
      const { value, revision, ttlLeftMs } = found;
      return new KvEntry(key, fromWire(value), Number(revision), fromOptional(ttlLeftMs));
    });
  }

  /** Writes a key. Resolves once every in-sync replica has it on disk. Errors: also `condition-failed`. */
  put(key: string, value: KvValue, options: PutOptions = {}): Promise<KvWritten> {
    return this.#within(options, async (deadline) => {
      const call = putCall({ ...options, put: key, value });
      return written((await write(this.#cluster, key, call, deadline)) ?? unasked());
    });
  }

  /**
   * Removes a key. Resolves once that is on the disk of every in-sync replica; with undefined when there is no such key,
   * and no condition. Errors: also `condition-failed`.
   */
  delete(key: string, options: DeleteOptions = {}): Promise<KvWritten | undefined> {
    return this.#within(options, async (deadline) => {
      const call = deleteCall({ ...options, delete: key });
      const revision = await write(this.#cluster, key, call, deadline);
      return revision === undefined ? undefined : written(revision);
    });
  }

  /**
   * Compares and writes keys as one step: all of it is done, or nothing. The keys must be of one group, which they are
   * for certain when they share a `{tag}`; each can be written once. All conditions are of the state before.
   * Errors: also `condition-failed`.
   */
  batch(steps: readonly BatchStep[], options: CallOptions = {}): Promise<KvWritten> {
    return this.#within(options, async (deadline) => {
      const call = batchCall(steps);
      const key = await this.#keyOfOneGroup(keysOf(steps), deadline);
      return written((await write(this.#cluster, key, call, deadline)) ?? unasked());
    });
  }

  /** Keys in the order of their UTF-8 bytes, of all groups. Nothing is asked for before the first is. */
  scan(options: ScanOptions & { keysOnly: true }): Scan<KvKey>;
  scan(options?: ScanOptions): Scan<KvEntry>;
  scan(options: ScanOptions & { keysOnly?: boolean } = {}): Scan<KvKey> {
    const given = { ...options, deadlineMs: this.#deadlineOf(options) };
    return options.keysOnly ? scanKeys(this.#cluster, given) : scanEntries(this.#cluster, given);
  }

  /** Changes, of all groups, as they happen. Errors: also `history-lost`. */
  watch(options: WatchOptions & { progress: true }): Watch<KvEvent | KvProgress>;
  watch(options?: WatchOptions & { progress?: false }): Watch<KvEvent>;
  watch(options: WatchOptions = {}): Watch<KvEvent | KvProgress> {
    return watchEvents(this.#cluster, { ...options, deadlineMs: this.#deadlineOf(options) });
  }

  /** Where a key is kept, as far as the routers know now; it need not exist. */
  locate(key: string, options: CallOptions = {}): Promise<KvPlace> {
    return this.#within(options, async (deadline) => {
      checkKey(key);
      return await this.#cluster.topology.find(({ ring, groups }) => {
        const group = ring.owner(key);
        return group === undefined ? undefined : { group, address: groups.get(group)?.primary };
      }, deadline);
    });
  }

  /** Ends all calls, scans and watches, with `closed`, and all connections. */
  close(): void {
    this.#cluster.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #deadlineOf({ deadlineMs }: CallOptions): number {
    return deadlineMs === undefined ? this.#deadlineMs : checkedDeadline(deadlineMs);
  }

  async #within<T>(options: CallOptions, call: (deadline: Deadline) => Promise<T>): Promise<T> {
    const deadline = startDeadline(this.#deadlineOf(options), options.signal);
    const forget = this.#cluster.track(deadline);
    try {
      return await call(deadline);
    } catch (reason) {
      throw KvError.from(reason);
    } finally {
      forget();
      deadline.release();
    }
  }

  async #keyOfOneGroup(keys: readonly string[], deadline: Deadline): Promise<string> {
    const [first = "", ...others] = keys;
    const group = await this.#cluster.groupOf(first, deadline);
    for (const other of others) {
      const another = await this.#cluster.groupOf(other, deadline);
      if (another === group) continue;
      const where = `"${first}" belongs to group "${group}", and "${other}" to "${another}"`;
      throw new KvError("invalid", `a batch is of one group, but ${where}: give the keys a common {tag}`);
    }
    return first;
  }
}

function written(revision: bigint): KvWritten {
  return { revision: Number(revision) };
}

/** For writes of which no server says that the key does not exist. */
function unasked(): never {
  throw new KvError("internal", "the server has answered that there is no such key, which was not asked");
}

function checkedRouters(routers: string | readonly string[]): string[] {
  const urls = (typeof routers === "string" ? [routers] : [...routers]).map((text) => {
    const url = URL.parse(text.includes("://") ? text : `http://${text}`);
    if (url?.protocol === "http:" || url?.protocol === "https:") return url.href;
    throw new KvError("invalid", `the router "${text}" is no URL; it must be like http://10.0.0.1:1926`);
  });
  if (urls.length === 0) throw new KvError("invalid", "there are no routers; at least one is needed");
  return urls;
}

function checkedDeadline(deadlineMs: number): number {
  if (deadlineMs > 0) return deadlineMs;
  throw new KvError("invalid", `deadlineMs is ${deadlineMs}; it must be a number of milliseconds above 0`);
}

function checkedCount(name: string, count: number): number {
  if (Number.isInteger(count) && count >= 1) return count;
  throw new KvError("invalid", `${name} is ${count}; it must be a whole number, at least 1`);
}
