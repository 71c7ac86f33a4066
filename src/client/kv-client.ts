import { schemes } from "#transport";
import type { Kinds } from "../common/option-kinds.ts";
import { read, write } from "./attempts.ts";
import { checkOptions } from "./check-options.ts";
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
  /** Milliseconds until the key expires: a whole number, at least 1. Default: never, even if the key had an expiry before. */
  readonly ttlMs?: number | undefined;
}

export interface DeleteOptions extends CallOptions, DeleteCondition {}

const putOptionKinds: Kinds<PutOptions> = { ...callKinds, ...putKinds };
const deleteOptionKinds: Kinds<DeleteOptions> = { ...callKinds, ...deleteKinds };

/** The result of a write. */
export interface KvWritten {
  /** Revision of the write, greater than every earlier revision of the keys that it wrote. */
  readonly revision: number;
}

/** Where a key is. */
export interface KvPlace {
  readonly group: string;
  /** `host:port` of the group's primary. Undefined while it has none. */
  readonly address: string | undefined;
}

/**
 * Reads and writes the keys of a cluster, on Bun, Node, Deno and in browsers.
 *
 * The client retries a call until its deadline, as long as that is safe. Each write has a request id, so that it is
 * applied only once, however often it is sent. So a broken connection or a failover only delays a call, unless it lasts
 * longer than the deadline. All errors are KvErrors. Every call can fail with `invalid`, `unavailable`, `deadline`,
 * `exhausted`, `refused`, `aborted`, `closed` and `internal`. A write can also fail with `outcome-unknown`.
 *
 * A call copies its arguments when it is made: changing them later, such as reusing a buffer, does not affect it. An
 * unknown option is `invalid`.
 *
 * The client connects when it is first used. Until it is closed, it may keep the process running.
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
    const { deadlineMs = 10_000, direct = environment.direct } = options;
    this.#deadlineMs = deadlineMs;
    this.#cluster = new Cluster({
      environment,
      routers: parseRouters(options.routers, schemes),
      direct,
      operationsInFlightMax: options.operationsInFlightMax ?? 10_000,
      bytesInFlightMax: options.bytesInFlightMax ?? 8 * 1024 * 1024,
    });
  }

  /**
   * Reads a key. Resolves with undefined when it does not exist. The answer includes every write that was acknowledged
   * before the call.
   */
  get(key: string, options: CallOptions = {}): Promise<KvEntry | undefined> {
    return this.#within(options, callKinds, async (deadline) => {
      const found = await read(this.#cluster, { key, call: getCall(key), deadline });
      if (found === undefined) return undefined;
      const { value, revision, ttlLeftMs } = found;
      return new KvEntry(key, fromWire(value), Number(revision), fromOptional(ttlLeftMs));
    });
  }

  /** Writes a key. Resolves once every in-sync replica has the write on disk. Errors: also `condition-failed`. */
  put(key: string, value: KvValue, options: PutOptions = {}): Promise<KvWritten> {
    return this.#within(options, putOptionKinds, async (deadline) => {
      const call = putCall({ ...options, put: key, value });
      return written((await write(this.#cluster, { key, call, deadline })) ?? unasked());
    });
  }

  /**
   * Removes a key. Resolves once every in-sync replica has the delete on disk. Resolves with undefined when the key does
   * not exist and there is no condition. Errors: also `condition-failed`.
   */
  delete(key: string, options: DeleteOptions = {}): Promise<KvWritten | undefined> {
    return this.#within(options, deleteOptionKinds, async (deadline) => {
      const call = deleteCall({ ...options, delete: key });
      const revision = await write(this.#cluster, { key, call, deadline });
      return revision === undefined ? undefined : written(revision);
    });
  }

  /**
   * Checks conditions and writes keys in one atomic step: everything is applied, or nothing. All keys must be in the same
   * group. Keys with the same `{tag}` always are. Each key can be written once. All conditions are checked against the
   * state before the batch. Errors: also `condition-failed`.
   */
  batch(steps: readonly BatchStep[], options: BatchOptions = {}): Promise<KvWritten> {
    return this.#within(options, batchKinds, async (deadline) => {
      const call = batchCall(steps);
      const { requestId } = options;
      const key = await this.#keyOfOneGroup(keysOf(steps), deadline);
      return written((await write(this.#cluster, { key, call, deadline, requestId })) ?? unasked());
    });
  }

  /** Reads keys of all groups in the order of their UTF-8 bytes. Sends nothing before the first key is asked for. */
  scan(options: ScanOptions & { keysOnly: true }): Scan<KvKey>;
  scan(options?: ScanOptions): Scan<KvEntry>;
  scan(options: ScanOptions & { keysOnly?: boolean } = {}): Scan<KvKey> {
    checkOptions("the scan", options, scanKinds);
    const given = { ...options, deadlineMs: this.#deadlineOf(options) };
    return options.keysOnly ? scanKeys(this.#cluster, given) : scanEntries(this.#cluster, given);
  }

  /** Streams the changes of all groups as they happen. Errors: also `history-lost`. */
  watch(options: WatchOptions & { progress: true }): Watch<KvEvent | KvProgress>;
  watch(options?: WatchOptions & { progress?: false }): Watch<KvEvent>;
  watch(options: WatchOptions = {}): Watch<KvEvent | KvProgress> {
    checkOptions("the watch", options, watchKinds);
    return watchEvents(this.#cluster, { ...options, deadlineMs: this.#deadlineOf(options) });
  }

  /** Tells where a key is, as far as the routers know now. The key need not exist. */
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

  /** Ends all calls, scans and watches with `closed`, and closes all connections. */
  close(): void {
    this.#cluster.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #deadlineOf({ deadlineMs }: CallOptions): number {
    return deadlineMs ?? this.#deadlineMs;
  }

  /** `call` runs up to its first await at once. So it reads its arguments before the caller can change them. */
  async #within<T>(
    options: CallOptions,
    kinds: Kinds<CallOptions>,
    call: (deadline: Deadline) => Promise<T>,
  ): Promise<T> {
    checkOptions("the call", options, kinds);
    const deadline = new Deadline(this.#cluster.deadlines, this.#deadlineOf(options), options.signal);
    this.#cluster.track(deadline);
    try {
      return await call(deadline);
    } catch (reason) {
      throw KvError.from(reason);
    } finally {
      this.#cluster.forget(deadline);
      deadline.release();
    }
  }

  async #keyOfOneGroup(keys: readonly string[], deadline: Deadline): Promise<string> {
    const [first = "", ...others] = keys;
    await this.#cluster.groupOf(first, deadline);
    // All by one view of the ring: after another wait it might be a later one.
    const ring = this.#cluster.view?.ring;
    const group = ring?.owner(first);
    for (const other of others) {
      const another = ring?.owner(other);
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

/** For writes that no server can answer with "no such key". */
function unasked(): never {
  throw new KvError("internal", 'the server has answered "no such key" to a write that has no such answer');
}
