import type { Clock } from "../../common/clock.ts";
import { OperationError } from "../metadata/operation-error.ts";
import { LogStoreError } from "../storage/errors.ts";
import type { KeyRange, KeyView, ScanReader, StoredValue } from "../storage/key-view.ts";
import type { Change } from "../storage/model.ts";
import type { ReplicaLog } from "../storage/replica-log.ts";
import { fullRetryMs } from "./disk-diagnostics.ts";
import { pendingBytesMax } from "./settings.ts";
import { planWrite, removal, type WriteRequest } from "./write-plan.ts";

/** Keys that one record removes when their time is over: so that no record gets large, and no turn long. */
const expiredKeysMax = 1000;

const endless = new AbortController().signal;

/** What the keys need of the primary that serves them. */
export interface Committer {
  /** Bytes of writes that wait for their commit. */
  readonly pendingBytes: number;
  /** Throws unless calls are taken. Errors: unavailable. */
  checkServing(): void;
  /** Resolves in the turn in which it is certain that nobody else serves the group. Errors: unavailable. */
  serve(signal: AbortSignal): Promise<void>;
  /** False while the office is handed over: nothing may be added to the log then. */
  readonly isWritable: boolean;
  /** Resolves when that is over. Errors: unavailable. */
  untilWritable(signal: AbortSignal): Promise<void>;
  /** Throws when a client's write is not to be taken for want of replicas. Errors: unavailable. */
  checkReplicas(): void;
  /** Adds a record to the log, in this turn. Returns its seq. Errors: invalid, unavailable; nothing is added then. */
  append(changes: readonly Change[], requestId?: string): number;
  /** Resolves when the record is committed. Errors: outcome-unknown. */
  committed(seq: number, bytes: number, signal: AbortSignal): Promise<void>;
}

/** The keys of a group, as its primary serves them. */
export class KvStateMachine {
  readonly #store: KeyView & Pick<ReplicaLog, "full">;
  readonly #clock: Clock;
  readonly #primary: Committer;
  /** On a full disk. */
  #expiryRestsUntilMs = 0;
  #isExpiring = false;
  /** The last key that a turn of `#expireAll` has looked at; undefined: the next one begins with the first. */
  #expiredTo: string | undefined;

  constructor(store: KeyView & Pick<ReplicaLog, "full">, clock: Clock, primary: Committer) {
    this.#store = store;
    this.#clock = clock;
    this.#primary = primary;
  }

  /**
   * Carries a request out and waits until it is committed. Returns its revision; when there was nothing to write, one
   * at which its conditions held.
   * Errors: unavailable, exhausted, invalid, condition-failed, request-forgotten, outcome-unknown (`signal` was aborted, or the
   * primary replaced, while it waited).
   */
  async write(request: WriteRequest, signal: AbortSignal): Promise<number> {
    const store = this.#store;
    const primary = this.#primary;
    const bytes = sizeOf(request);
    primary.checkServing();
    while (!primary.isWritable) await primary.untilWritable(signal);
    primary.checkReplicas();
    // By what waits already: else a write of full length would never be taken beside a stream of small ones.
    if (primary.pendingBytes >= pendingBytesMax) {
      throw new OperationError(
        "exhausted",
        `${primary.pendingBytes} bytes of writes wait for their commit already; at most ${pendingBytesMax} are to`,
      );
    }
    const wallMs = this.#clock.wallMs();
    this.#expire(keysOf(request), wallMs);
    const plan = planWrite(store, request, wallMs);
    const { seq } = store.last;
    switch (plan.kind) {
      case "write": {
        const written = primary.append(plan.changes, request.requestId?.id);
        await primary.committed(written, bytes, signal);
        return written;
      }
      case "repeated":
        await primary.committed(plan.seq, 0, signal);
        return plan.seq;
      case "forgotten":
        throw new OperationError(
          "request-forgotten",
          `requests from before revision ${store.requestsAfter} are not remembered any more`,
          { revision: seq },
        );
      case "refused": {
        const { key, revision } = plan;
        await this.#confirm(signal);
        throw new OperationError("condition-failed", refusal(key, revision), { key, revision });
      }
      case "nothing":
        await this.#confirm(signal);
        return seq;
    }
  }

  /** Reads the last committed value. Errors: unavailable, not-found. */
  async read(key: string, signal: AbortSignal): Promise<StoredValue> {
    for (;;) {
      await this.#primary.serve(signal);
      // Looked up in the same turn in which it was certain that nobody else serves.
      const found = await this.#store.get(key);
      if (found === undefined)
        throw new OperationError("not-found", `key ${JSON.stringify(key)} does not exist`);
      if (found.expiresMs === undefined || found.expiresMs > this.#clock.wallMs()) return found;
      await this.#untilExpired([key], signal);
    }
  }

  /** Opens a scan over the last committed values. Errors: unavailable, exhausted; of its `next`: scan-overrun. */
  async scan(range: KeyRange, signal: AbortSignal): Promise<ScanReader> {
    const calledMs = this.#clock.wallMs();
    for (;;) {
      await this.#primary.serve(signal);
      // What is committed during such a wait may be past its time already. Keys whose time comes only then are shown: a
      // scan that waited for them, too, might never begin where keys keep expiring.
      const keys = this.#store.expired(Math.min(calledMs, this.#clock.wallMs()), expiredKeysMax, range);
      if (keys.length === 0) break;
      await this.#untilExpired(keys, signal);
    }
    const reader = opening(() => this.#store.openScan(range));
    return {
      at: reader.at,
      next: (max) => {
        try {
          return reader
            .next(max)
            .map((scanned) => ({ ...scanned, value: () => scanned.value().catch(lostScan) }));
        } catch (error) {
          return lostScan(error);
        }
      },
      close: () => reader.close(),
    };
  }

  /**
   * Ends the keys whose time is over, some at a time: between two turns there is a commit, and whatever else waits. Does
   * nothing while that is under way.
   */
  expireDue(): void {
    if (this.#isExpiring || !this.#primary.isWritable) return;
    if (this.#store.full !== undefined) {
      const nowMs = this.#clock.monotonicMs();
      if (nowMs < this.#expiryRestsUntilMs) return;
      this.#expiryRestsUntilMs = nowMs + fullRetryMs;
    }
    this.#isExpiring = true;
    this.#expireAll()
      .catch((error: unknown) => {
        // The next tick goes on with it, here or where the group is served then.
        if (!(error instanceof OperationError)) throw error;
      })
      .finally(() => {
        this.#isExpiring = false;
      });
  }

  async #expireAll(): Promise<void> {
    while (this.#primary.isWritable) {
      const wallMs = this.#clock.wallMs();
      // From where the last turn ended, so that all have theirs where keys expire faster than they can be ended.
      const after = this.#expiredTo;
      const keys = this.#store.expired(wallMs, expiredKeysMax, { after });
      this.#expiredTo = keys.length < expiredKeysMax ? undefined : keys.at(-1);
      if (keys.length === 0 && after === undefined) return;
      this.#expire(keys, wallMs);
      await this.#primary.committed(this.#store.last.seq, 0, endless);
    }
  }

  /**
   * Waits until those keys whose time is over have ended. They are gone only with a record that says so: otherwise
   * another primary, whose clock is behind, would show them again.
   */
  async #untilExpired(keys: readonly string[], signal: AbortSignal): Promise<void> {
    this.#primary.checkServing();
    while (!this.#primary.isWritable) await this.#primary.untilWritable(signal);
    this.#expire(keys, this.#clock.wallMs());
    await this.#confirm(signal);
  }

  /** Appends the end of those keys, each named once, whose time is over, unless it is in the log already. */
  #expire(keys: Iterable<string>, wallMs: number): void {
    const changes: Change[] = [];
    for (const key of keys) {
      const facts = this.#store.pendingFacts(key);
      if (facts?.expiresMs === undefined || facts.expiresMs > wallMs) continue;
      changes.push(removal("expire", key, facts.revision));
    }
    if (changes.length > 0) this.#primary.append(changes);
  }

  /** What the log says now is only certain once all of it is committed. */
  async #confirm(signal: AbortSignal): Promise<void> {
    await this.#primary.committed(this.#store.last.seq, 0, signal).catch((error: unknown) => {
      if (error instanceof OperationError && error.code === "exhausted") throw error;
      throw new OperationError("unavailable", "the state of the keys could not be confirmed", {
        cause: error,
      });
    });
    await this.#primary.serve(signal);
  }
}

/** Opens a scan. Errors: exhausted, unavailable (the node is stopping), those of the disk. */
function opening<T>(open: () => T): T {
  try {
    return open();
  } catch (error) {
    if (!(error instanceof LogStoreError)) throw error;
    if (error.code === "overrun") throw new OperationError("exhausted", error.message, { cause: error });
    if (error.code === "closed") throw new OperationError("unavailable", error.message, { cause: error });
    throw error;
  }
}

/** Throws why an open scan cannot go on: in words for its caller where another scan can. */
function lostScan(error: unknown): never {
  const canGoOn = error instanceof LogStoreError && ["overrun", "superseded", "closed"].includes(error.code);
  throw canGoOn ? new OperationError("scan-overrun", error.message, { cause: error }) : error;
}

function keysOf({ compares, operations }: WriteRequest): Set<string> {
  return new Set([...compares, ...operations].map(({ key }) => key));
}

function sizeOf({ operations }: WriteRequest): number {
  let bytes = 0;
  for (const operation of operations) {
    bytes += operation.key.length + (operation.kind === "put" ? operation.value.length : 0);
  }
  return bytes;
}

function refusal(key: string, revision: number): string {
  return `key ${JSON.stringify(key)} ${revision === 0 ? "does not exist" : `has revision ${revision}`}`;
}
