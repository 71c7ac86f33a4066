import { schemes } from "#transport";
import { read, write } from "./attempts.ts";
import { Cluster } from "./cluster.ts";
import { Deadline } from "./deadline.ts";
import { type Environment, systemEnvironment } from "./environment.ts";
import { KvError } from "./errors.ts";
import {
  type BatchOptions,
  batchKinds,
  type CallOptions,
  callKinds,
  clientKinds,
  type KvClientOptions,
} from "./options.ts";
import { checkOptions, type Kinds } from "./options-check.ts";
import {
  type BatchStep,
  batchCall,
  checkKey,
  type DeleteCondition,
  deleteCall,
  deleteKinds,
  getCall,
  keysOf,
  type PutCondition,
  putCall,
  putKinds,
} from "./requests.ts";
import { parseRouters } from "./router-urls.ts";
import { type Scan, type ScanOptions, scanEntries, scanKeys, scanKinds } from "./scan.ts";
import { fromOptional, fromWire, KvEntry, type KvKey, type KvValue } from "./values.ts";
import { type Watch, type WatchOptions, watchEvents, watchKinds } from "./watch.ts";
import type { KvEvent, KvProgress } from "./watch-events.ts";

export interface PutOptions extends CallOptions, PutCondition {
  /** Milliseconds after which the key expires: a whole number, at least 1. Default: never, whatever was before. */
  readonly ttlMs?: number | undefined;
}

export interface DeleteOptions extends CallOptions, DeleteCondition {}

const putOptionKinds: Kinds<PutOptions> = { ...callKinds, ...putKinds };
const deleteOptionKinds: Kinds<DeleteOptions> = { ...callKinds, ...deleteKinds };

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
 * A call takes its arguments as they are when it is made: what becomes of them later, such as a buffer that is written
 * anew, does not concern it. An option that is not known is `invalid`.
 *
 * Connects when it is first used; until it is closed, it may keep the process running.
 */
export class KvClient implements AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #deadlineMs: number;

  /** Errors: `invalid`. */
  constructor(options: KvClientOptions);
  /** @internal */
  constructor(options: KvClientOptions, environment: Environment);
  constructor(options: KvClientOptions, environment = systemEnvironment) {
    checkOptions("the client", options, clientKinds);
    const { deadlineMs = 10_000, direct = environment.fullDuplex } = options;
    this.#deadlineMs = deadlineMs;
    this.#cluster = new Cluster({
      environment,
      routers: parseRouters(options.routers, schemes),
      direct,
      operationsInFlightMax: options.operationsInFlightMax ?? 10_000,
      bytesInFlightMax: options.bytesInFlightMax ?? 8 * 1024 * 1024,
    });
  }

  /** The key's value; undefined when there is no such key. Sees every write that was acknowledged before the call. */
  get(key: string, options: CallOptions = {}): Promise<KvEntry | undefined> {
    return this.#within(options, callKinds, async (deadline) => {
      const found = await read(this.#cluster, key, getCall(key), deadline);
      if (found === undefined) return undefined;
      const { value, revision, ttlLeftMs } = found;
      return new KvEntry(key, fromWire(value), Number(revision), fromOptional(ttlLeftMs));
    });
  }

  /** Writes a key. Resolves once every in-sync replica has it on disk. Errors: also `condition-failed`. */
  put(key: string, value: KvValue, options: PutOptions = {}): Promise<KvWritten> {
    return this.#within(options, putOptionKinds, async (deadline) => {
      const call = putCall({ ...options, put: key, value });
      return written((await write(this.#cluster, key, call, deadline)) ?? unasked());
    });
  }

  /**
   * Removes a key. Resolves once that is on the disk of every in-sync replica; with undefined when there is no such key,
   * and no condition. Errors: also `condition-failed`.
   */
  delete(key: string, options: DeleteOptions = {}): Promise<KvWritten | undefined> {
    return this.#within(options, deleteOptionKinds, async (deadline) => {
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
  batch(steps: readonly BatchStep[], options: BatchOptions = {}): Promise<KvWritten> {
    return this.#within(options, batchKinds, async (deadline) => {
      const call = batchCall(steps);
      const key = await this.#keyOfOneGroup(keysOf(steps), deadline);
      return written((await write(this.#cluster, key, call, deadline, options.requestId)) ?? unasked());
    });
  }

  /** Keys in the order of their UTF-8 bytes, of all groups. Nothing is asked for before the first is. */
  scan(options: ScanOptions & { keysOnly: true }): Scan<KvKey>;
  scan(options?: ScanOptions): Scan<KvEntry>;
  scan(options: ScanOptions & { keysOnly?: boolean } = {}): Scan<KvKey> {
    checkOptions("the scan", options, scanKinds);
    const given = { ...options, deadlineMs: this.#deadlineOf(options) };
    return options.keysOnly ? scanKeys(this.#cluster, given) : scanEntries(this.#cluster, given);
  }

  /** Changes, of all groups, as they happen. Errors: also `history-lost`. */
  watch(options: WatchOptions & { progress: true }): Watch<KvEvent | KvProgress>;
  watch(options?: WatchOptions & { progress?: false }): Watch<KvEvent>;
  watch(options: WatchOptions = {}): Watch<KvEvent | KvProgress> {
    checkOptions("the watch", options, watchKinds);
    return watchEvents(this.#cluster, { ...options, deadlineMs: this.#deadlineOf(options) });
  }

  /** Where a key is kept, as far as the routers know now; it need not exist. */
  locate(key: string, options: CallOptions = {}): Promise<KvPlace> {
    return this.#within(options, callKinds, async (deadline) => {
      checkKey(key);
      return await this.#cluster.topology.find({
        look: ({ ring, groups }) => {
          const group = ring.owner(key);
          return group === undefined ? undefined : { group, address: groups.get(group)?.primary };
        },
        missing: ({ empty }) => empty,
        deadline,
      });
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
    return deadlineMs ?? this.#deadlineMs;
  }

  /** What `call` does before it first waits, it does at once: later changes of its arguments do not concern it. */
  async #within<T>(
    options: CallOptions,
    kinds: Kinds<CallOptions>,
    call: (deadline: Deadline) => Promise<T>,
  ): Promise<T> {
    checkOptions("the call", options, kinds);
    const deadline = new Deadline(this.#cluster.clock, this.#deadlineOf(options), options.signal);
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
