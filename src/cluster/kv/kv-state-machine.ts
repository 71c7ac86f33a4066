import type { Clock } from "../../common/clock.ts";
import { shownKey } from "../../common/shown-key.ts";
import { unlessAborted } from "../../common/unless-aborted.ts";
import { OperationError } from "../metadata/operation-error.ts";
import type { Primary } from "../replication/primary.ts";
import { LogStoreError } from "../storage/errors.ts";
import type { KeyRange, KeyView, StoredValue } from "../storage/key-view.ts";
import type { WatchHub } from "../watch/hub.ts";
import type { WatchStep } from "../watch/step.ts";
import type { WatchOptions } from "../watch/watcher.ts";
import { Expiry, expiredKeysMax } from "./expiry.ts";
import type { KeyGuard, ServedKeys } from "./key-guard.ts";
import { type GroupScan, ServedScan } from "./served-scan.ts";
import { planWrite, type WritePlan, type WriteRequest } from "./write-plan.ts";

export interface KvStateMachineOptions {
  /** Orders and commits the records of the group, and knows nothing of keys. */
  readonly primary: Pick<Primary, "log" | "lease" | "ended">;
  readonly keys: KeyView;
  readonly watches: WatchHub;
  readonly guard: KeyGuard;
  readonly clock: Clock;
  /** How often to look for expired keys. */
  readonly expiryTickMs: number;
}

/**
 * The keys of a group while this node is its primary, on top of the replicated log. It decides requests (conditions,
 * repeated requests, expiry), proposes the result as one record, and answers reads, scans and watches from committed
 * records. No lower layer calls it.
 */
export class KvStateMachine {
  readonly #primary: Pick<Primary, "log" | "lease" | "ended">;
  readonly #keys: KeyView;
  readonly #watches: WatchHub;
  readonly #guard: KeyGuard;
  readonly #clock: Clock;
  readonly #expiry: Expiry;

  constructor(options: KvStateMachineOptions) {
    this.#primary = options.primary;
    this.#keys = options.keys;
    this.#watches = options.watches;
    this.#guard = options.guard;
    this.#clock = options.clock;
    this.#expiry = new Expiry({ ...options, tickMs: options.expiryTickMs });
  }

  /**
   * Runs a request and waits until it is committed. Returns its revision. If there was nothing to write, returns a
   * revision at which its conditions held.
   * Errors: wrong-node, unavailable, exhausted, invalid, condition-failed, request-forgotten, outcome-unknown (while it
   * waited: `signal` was aborted, or the primary was replaced).
   */
  async write(request: WriteRequest, signal: AbortSignal): Promise<number> {
    const keys = this.#keys;
    const { log } = this.#primary;
    const bytes = sizeOf(request);
    log.checkServing();
    const keysWritten = keysOf(request);
    for (
      let held = this.#held(keysWritten, signal);
      held !== undefined;
      held = this.#held(keysWritten, signal)
    ) {
      await held;
      log.checkServing();
    }
    // From here to the proposal everything runs in one turn, so what was checked, and what the plan has read, still holds.
    log.admit();
    const plan = this.#plan(request);
    const { lastRevision } = keys;
    switch (plan.kind) {
      case "write": {
        const written = log.propose(plan.changes, { requestId: request.requestId?.id });
        const revision = keys.revisionOf(written);
        await log.committed(written, signal, bytes);
        return revision;
      }
      case "repeated":
        await log.committed(plan.seq, signal);
        return plan.revision;
      case "forgotten":
        // The caller may name the request anew, after this revision: a later record must not get a lower one.
        await this.#confirm(signal);
        throw new OperationError(
          "request-forgotten",
          `only requests from after revision ${keys.requestsAfter} are remembered, up to the present one, ${lastRevision}`,
          { revision: lastRevision },
        );
      case "refused": {
        const { key, revision } = plan;
        await this.#confirm(signal);
        throw new OperationError("condition-failed", refusal(key, revision), { key, revision });
      }
      case "nothing":
        await this.#confirm(signal);
        return lastRevision;
    }
  }

  /**
   * Reads the last committed value, if it is certain and at hand in this turn; otherwise returns undefined, and `read` has
   * to wait for it. Errors: wrong-node, unavailable, not-found.
   */
  readNow(key: string): StoredValue | undefined {
    const { log, lease } = this.#primary;
    log.checkServing();
    if (this.#guard.check([key], "read") !== undefined || !lease.holds) return undefined;
    const found = this.#keys.getNow(key);
    if (found === "no value") throw noSuchKey(key);
    if (found === "on disk" || this.#hasExpired(found)) return undefined;
    return found;
  }

  /** Reads the last committed value. Errors: wrong-node, unavailable, not-found. */
  async read(key: string, signal: AbortSignal): Promise<StoredValue> {
    for (;;) {
      await this.#primary.lease.readBarrier(signal);
      const handedOver = this.#guard.check([key], "read");
      if (handedOver !== undefined) {
        await waitOn(handedOver, signal);
        continue;
      }
      // Looked up in the turn in which it is certain that no other node serves.
      const found = await this.#keys.get(key);
      if (found === undefined) throw noSuchKey(key);
      if (!this.#hasExpired(found)) return found;
      await this.#untilExpired([key], signal);
    }
  }

  /**
   * Opens a scan of the last committed values of the keys that this group serves. Errors: unavailable, exhausted. Errors
   * of its steps: scan-overrun.
   */
  async scan(range: KeyRange, signal: AbortSignal): Promise<GroupScan> {
    const calledMs = this.#clock.wallMs();
    for (;;) {
      await this.#primary.lease.readBarrier(signal);
      const served = this.#guard.served();
      if (served instanceof Promise) {
        await waitOn(served, signal);
        continue;
      }
      // Keys that are committed during such a wait may have expired already. But keys that expire after the call are
      // shown: otherwise a scan might never begin where keys keep expiring.
      const expired = this.#expired(Math.min(calledMs, this.#clock.wallMs()), range, served);
      if (expired.length === 0)
        return new ServedScan(
          opening(() => this.#keys.openScan(range)),
          served,
          this.#clock,
        );
      await this.#untilExpired(expired, signal);
    }
  }

  /**
   * The changes of keys until `signal` is aborted. Errors: unavailable (also when this primary ends), history-lost,
   * exhausted.
   */
  async *watch(options: WatchOptions, signal: AbortSignal): AsyncGenerator<WatchStep, void, void> {
    const { lease, ended } = this.#primary;
    await lease.readBarrier(signal);
    for await (const step of this.#watches.watch(options, AbortSignal.any([signal, ended]))) {
      yield step.isCurrent && this.#guard.hasLeft ? { ...step, hasLeft: true } : step;
    }
    if (!signal.aborted) throw new OperationError("unavailable", "the primary has been replaced");
  }

  /** Served keys of a range that have expired: some, if there are any. Those of other groups may be long in the log. */
  #expired(nowMs: number, range: KeyRange, served: ServedKeys): string[] {
    for (let { start } = range; ; ) {
      const keys = this.#keys.expired(nowMs, expiredKeysMax, { ...range, start });
      const expired = keys.filter((key) => served.has(key));
      if (expired.length > 0 || keys.length < expiredKeysMax) return expired;
      // The next string after the last key.
      start = `${keys.at(-1)}\0`;
    }
  }

  #hasExpired({ expiresMs }: StoredValue): boolean {
    return expiresMs !== undefined && expiresMs <= this.#clock.wallMs();
  }

  /** Set while no write of the keys may be proposed: resolves when to ask again. Errors: wrong-node, unavailable, invalid. */
  #held(keys: Iterable<string>, signal: AbortSignal): Promise<void> | undefined {
    const { log } = this.#primary;
    if (log.isHeld) return log.untilReleased(signal);
    const handedOver = this.#guard.check(keys, "write");
    return handedOver && waitOn(handedOver, signal);
  }

  /** Plans a write. If it names expired keys, their end is proposed first. */
  #plan(request: WriteRequest): Exclude<WritePlan, { readonly kind: "expired" }> {
    const wallMs = this.#clock.wallMs();
    const plan = planWrite(this.#keys, request, wallMs);
    if (plan.kind !== "expired") return plan;
    this.#expiry.end(new Set(keysOf(request)), wallMs);
    return this.#plan(request);
  }

  /** Waits until those of the keys that have expired have ended. */
  async #untilExpired(keys: readonly string[], signal: AbortSignal): Promise<void> {
    const { log } = this.#primary;
    log.checkServing();
    const held = this.#held(keys, signal);
    // The caller looks again: another group may have the keys by then.
    if (held !== undefined) return await held;
    this.#expiry.end(keys, this.#clock.wallMs());
    await this.#confirm(signal);
  }

  /** Waits until everything in the log is committed: before that, what was read from it may be cut off. */
  async #confirm(signal: AbortSignal): Promise<void> {
    await this.#primary.log.committed(this.#keys.last.seq, signal).catch((error: unknown) => {
      if (error instanceof OperationError && error.code === "exhausted") throw error;
      throw new OperationError("unavailable", "the state of the keys could not be confirmed", {
        cause: error,
      });
    });
    await this.#primary.lease.readBarrier(signal);
  }
}

/** Waits for keys that change hands. Errors: unavailable. */
async function waitOn(handedOver: Promise<void>, signal: AbortSignal): Promise<void> {
  try {
    await unlessAborted(handedOver, signal);
  } catch (error) {
    if (error instanceof OperationError) throw error;
    throw new OperationError("unavailable", "the call was cancelled while its keys changed hands", {
      cause: error,
    });
  }
}

function noSuchKey(key: string): OperationError {
  return new OperationError("not-found", `key ${shownKey(key)} does not exist`);
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

/** A key may be there twice. */
function keysOf({ compares, operations }: WriteRequest): string[] {
  const [first, ...others] = operations;
  // Nearly always.
  if (first !== undefined && others.length === 0 && compares.length === 0) return [first.key];
  return [...compares, ...operations].map(({ key }) => key);
}

/** What a write that waits takes in memory beside its keys and values, about; and each of its operations. */
const writeOverheadBytes = 500;
const operationOverheadBytes = 200;

/** About what a write takes in memory until it is committed: many short ones must count, too. */
function sizeOf({ operations }: WriteRequest): number {
  let bytes = writeOverheadBytes + operationOverheadBytes * operations.length;
  for (const operation of operations) {
    bytes += operation.key.length + (operation.kind === "put" ? operation.value.length : 0);
  }
  return bytes;
}

function refusal(key: string, revision: number): string {
  return `key ${shownKey(key)} ${revision === 0 ? "does not exist" : `has revision ${revision}`}`;
}
