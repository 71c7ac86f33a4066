import { createBackoff } from "../../common/backoff.ts";
import { systemClock } from "../../common/clock.ts";
import { ZooKeeperError } from "../errors.ts";
import { type CallOptions, callKinds } from "../options.ts";
import type { ZooKeeper } from "../zookeeper.ts";
import { bounded, type EndlessCall, unlessAborted } from "./bounded.ts";
import { connected } from "./connected.ts";
import { createOwn, uniqueName } from "./create-own.ts";
import { deleteLater } from "./delete-surely.ts";
import { ensure, isPassing } from "./ensure.ts";
import { unlessMissing } from "./missing.ts";

/** Pauses when another client has changed the counter first. */
const [FIRST_PAUSE_MS, PAUSE_MS_MAX] = [2, 200];

/** An ephemeral znode that only this counter changes, together with the number: its version tells what was done. */
interface Marker {
  readonly path: string;
  version: number;
}

/**
 * A number that several clients change, each by adding to it. The znode has it as text, as with kazoo's `Counter`.
 *
 * Each addition is made once, also when its answer is lost: in one step with it, the version of a child of the znode is
 * raised, by which it is seen later whether it was made. (kazoo adds again.) Only when the session ends just then, the
 * error has `maybeApplied`. Additions of one object are made one after another.
 */
export class Counter {
  readonly #client: ZooKeeper;
  readonly #path: string;
  readonly #initial: number;
  #marker: Marker | undefined;
  /** The end of the last addition. */
  #last: Promise<void> = Promise.resolve();

  /** `initial` is the value of a znode that is missing or empty, as in kazoo: the same for all clients. */
  constructor(client: ZooKeeper, path: string, initial = 0) {
    this.#client = client;
    this.#path = path;
    this.#initial = initial;
  }

  /** The value, which may have changed when the caller gets it. Errors: those of `get`; BAD_ARGUMENTS, for other data. */
  value(options: CallOptions = {}): Promise<number> {
    return bounded("value", this.#path, options, callKinds, async (call) => (await this.#read(call)).value);
  }

  /**
   * Adds a number, be it less than 0, and resolves with the sum. Errors: those of `multi` and `create`; BAD_ARGUMENTS,
   * when one of the numbers, or the sum, is not finite, or whole numbers are not exact: beyond 2 ** 53 - 1.
   */
  async add(amount: number, options: CallOptions = {}): Promise<number> {
    const before = this.#last;
    const ended = Promise.withResolvers<void>();
    this.#last = before.then(() => ended.promise);
    try {
      return await bounded("add", this.#path, options, callKinds, async (call) => {
        await unlessAborted(this.#path, call.signal, before);
        return this.#addOnce(amount, call);
      });
    } finally {
      ended.resolve();
    }
  }

  async #addOnce(amount: number, call: EndlessCall): Promise<number> {
    const backoff = createBackoff(systemClock, FIRST_PAUSE_MS, PAUSE_MS_MAX);
    for (;;) {
      const before = await this.#read(call);
      const sum = this.#sum(before.value, amount);
      if (before.version === undefined) await ensure(this.#client, this.#path, call);
      this.#marker ??= { ...(await createOwn(this.#client, this.#path, uniqueName(), "", call)), version: 0 };
      if (await this.#write(sum, before.version ?? 0, this.#marker, call)) return sum;
      await backoff.wait(call.signal);
    }
  }

  /** Whether it was written. Errors: with `maybeApplied`, when that cannot be known. */
  async #write(sum: number, version: number, marker: Marker, call: EndlessCall): Promise<boolean> {
    try {
      await connected(this.#client, this.#path, call.signal);
      await this.#client.multi(
        [
          { type: "set", path: this.#path, data: Buffer.from(`${sum}`), version },
          { type: "set", path: marker.path, data: new Uint8Array(), version: marker.version },
        ],
        call,
      );
      marker.version++;
      return true;
    } catch (error) {
      if (!ZooKeeperError.is(error)) throw error;
      if (error.maybeApplied) return this.#settle(error, marker, call);
      if (ZooKeeperError.is(error, "NO_NODE", "BAD_VERSION")) {
        // Somebody has changed the counter, or the marker, which is then of no use.
        if (error.index === 1) this.#forget(marker);
        return false;
      }
      if (isPassing(error)) return false;
      throw error;
    }
  }

  /** Finds out whether an addition was made, whose answer was lost with `error`. Errors: it cannot be known. */
  async #settle(error: ZooKeeperError, marker: Marker, call: EndlessCall): Promise<boolean> {
    let reason = error;
    while (isPassing(reason)) {
      try {
        // The server of a new connection may be behind the one that has made it.
        await this.#client.sync(this.#path, call);
        const version = (await this.#client.exists(marker.path, call))?.version;
        if (version === marker.version) return false;
        if (version === marker.version + 1) {
          marker.version++;
          return true;
        }
        break;
      } catch (next) {
        if (!ZooKeeperError.is(next)) throw next;
        reason = next;
      }
    }
    this.#forget(marker);
    const message = `add ${this.#path}: it may have been added (${reason.message})`;
    throw new ZooKeeperError(reason.code, message, { path: this.#path, maybeApplied: true, cause: reason });
  }

  #forget(marker: Marker): void {
    this.#marker = undefined;
    deleteLater(this.#client, marker.path);
  }

  /** `version` is undefined when there is no znode. */
  async #read(call: EndlessCall): Promise<{ value: number; version: number | undefined }> {
    const read = await unlessMissing(this.#client.get(this.#path, call));
    const text = Buffer.from(read?.data ?? []).toString();
    const value = text === "" ? this.#initial : Number(text);
    this.#check(value, `the value, ${JSON.stringify(text)},`);
    return { value, version: read?.stat.version };
  }

  #sum(value: number, amount: number): number {
    this.#check(amount, `the amount, ${amount},`);
    const sum = value + amount;
    this.#check(sum, `the sum of ${value} and ${amount}`);
    return sum;
  }

  #check(number: number, what: string): void {
    if (Number.isInteger(number) ? Number.isSafeInteger(number) : Number.isFinite(number)) return;
    const allowed = "a finite number, and if it is whole, at most 2 ** 53 - 1 away from 0";
    const message = `${this.#path}: ${what} is not allowed; allowed: ${allowed}`;
    throw new ZooKeeperError("BAD_ARGUMENTS", message, { path: this.#path });
  }
}
