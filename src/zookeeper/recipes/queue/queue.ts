import { abortSignal, type Kinds, wholeNumber } from "../../../common/option-kinds.ts";
import { checkOptions } from "../../check.ts";
import { ZooKeeperError } from "../../errors.ts";
import { type CallOptions, callKinds } from "../../options.ts";
import { checkPath, childOf } from "../../paths.ts";
import type { ZooKeeper } from "../../zookeeper.ts";
import { unlessAborted } from "../bounded.ts";
import { untilAnswered } from "../lost-answers.ts";
import { Candidates } from "./candidates.ts";
import { Claim } from "./claim.ts";
import { type Entry, entryPrefix, PRIORITY_MAX } from "./entries.ts";
import { QueueItem } from "./queue-item.ts";

const DEFAULT_PRIORITY = 100;

/** Calls without a deadline end with the session. */
const UNTIL_SESSION_ENDS = { deadlineMs: Number.POSITIVE_INFINITY };

export interface PutOptions extends CallOptions {
  /** A whole number from 0, which is taken first, to 999. Default: 100. */
  readonly priority?: number | undefined;
}

const putKinds: Kinds<PutOptions> = { ...callKinds, priority: wholeNumber(0, PRIORITY_MAX) };

export interface TakeOptions {
  /** Gives up waiting, with ABORTED. */
  readonly signal?: AbortSignal | undefined;
}

const takeKinds: Kinds<TakeOptions> = { signal: abortSignal };

/**
 * A queue of which each item is handled at least once. Whoever takes an item claims it; it is removed when that one says
 * that it is done, and is there again for others when the claimer's session has ended before. So an item is handled again
 * after a crash, and handlers must bear that.
 *
 * Items are taken by priority, then as they were put; with several takers they need not be done in that order. Shares its
 * znodes with kazoo's LockingQueue: an item is a znode `entries/entry-[priority]-[number]`, and its claim an ephemeral
 * one of the same name in `taken`.
 */
export class Queue {
  readonly #client: ZooKeeper;
  readonly #path: string;
  readonly #entriesPath: string;
  readonly #takenPath: string;
  readonly #candidates = new Candidates();
  #listing: Promise<void> | undefined;
  /** Called at the next change. */
  readonly #waiting = new Set<() => void>();

  /** Creates nothing yet. Errors: BAD_ARGUMENTS, for the path. */
  constructor(client: ZooKeeper, path: string) {
    checkPath(path);
    this.#client = client;
    this.#path = path;
    this.#entriesPath = childOf(path, "entries");
    this.#takenPath = childOf(path, "taken");
  }

  /**
   * Adds an item. After an error with `maybeApplied` it may be there: whoever puts it again then may have put it twice.
   * Errors: those of `create`; BAD_ARGUMENTS, for the priority.
   */
  async put(data: Uint8Array, options: PutOptions = {}): Promise<void> {
    checkOptions(`put ${this.#path}`, options, putKinds);
    const { priority = DEFAULT_PRIORITY, ...call } = options;
    const path = childOf(this.#entriesPath, entryPrefix(priority));
    await this.#withFolders(call, () =>
      this.#client.create(path, data, { ...call, mode: "persistent-sequential" }),
    );
  }

  /**
   * Claims the first item that nobody has claimed, and waits until there is one, also without a connection. Errors:
   * ABORTED, after which no claim is kept; SESSION_EXPIRED, CLOSED; NO_AUTH, SYSTEM.
   */
  async take(options: TakeOptions = {}): Promise<QueueItem> {
    checkOptions(`take ${this.#path}`, options, takeKinds);
    const { signal = new AbortController().signal } = options;
    for (;;) {
      const entry = await this.#next(signal);
      const claiming = this.#claim(entry);
      try {
        const item = await unlessAborted(this.#path, signal, claiming);
        if (item !== undefined) return item;
      } catch (error) {
        giveBack(claiming);
        this.#candidates.markStale();
        throw error;
      }
    }
  }

  /** Number of items, with those that are claimed. */
  async size(options?: CallOptions): Promise<number> {
    const stat = await this.#client.exists(this.#entriesPath, options);
    return stat?.numChildren ?? 0;
  }

  /** Waits for an entry that may be free. Errors: ABORTED; those of the session. */
  async #next(signal: AbortSignal): Promise<Entry> {
    for (;;) {
      // Before an entry is taken from the candidates, of which nobody would know any more.
      await unlessAborted(this.#path, signal, Promise.resolve());
      const entry = this.#candidates.take();
      if (entry !== undefined) return entry;
      if (this.#candidates.isStale) await unlessAborted(this.#path, signal, this.#list());
      else await this.#change(signal);
    }
  }

  /** Waits until something has changed since the last list. Errors: ABORTED. */
  async #change(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    try {
      await unlessAborted(this.#path, signal, promise);
    } finally {
      this.#waiting.delete(resolve);
    }
  }

  /** Reads which entries there are, once for all that ask at a time. */
  #list(): Promise<void> {
    this.#listing ??= this.#readLists().finally(() => {
      this.#listing = undefined;
    });
    return this.#listing;
  }

  async #readLists(): Promise<void> {
    const options = { ...UNTIL_SESSION_ENDS, watch: this.#onChange };
    this.#candidates.beginList();
    try {
      const [entries, taken] = await this.#withFolders(UNTIL_SESSION_ENDS, () =>
        Promise.all([
          this.#client.children(this.#entriesPath, options),
          this.#client.children(this.#takenPath, options),
        ]),
      );
      this.#candidates.load(entries.children, taken.children);
    } catch (error) {
      this.#candidates.markStale();
      throw error;
    }
  }

  /** One function for all watches, of which the client keeps one for a path, however often it is set. */
  readonly #onChange = (): void => {
    this.#candidates.markStale();
    for (const wake of this.#waiting) wake();
  };

  /** Undefined when somebody else has claimed or removed it. Ends with the session at the latest. */
  async #claim(entry: Entry): Promise<QueueItem | undefined> {
    const path = childOf(this.#entriesPath, entry.name);
    const claim = new Claim(this.#client, path, childOf(this.#takenPath, entry.name));
    if (!(await claim.take(UNTIL_SESSION_ENDS))) return undefined;
    try {
      const { data } = await this.#client.get(path, UNTIL_SESSION_ENDS);
      // Not before: while the session lives, so does the claim, whatever has happened to its connections.
      return new QueueItem(claim, entry, data, this.#client.connectedSignal());
    } catch (error) {
      await claim.release(UNTIL_SESSION_ENDS);
      // An operator has deleted it.
      if (ZooKeeperError.is(error, "NO_NODE")) return undefined;
      throw error;
    }
  }

  /** Makes a call again when there is no queue yet, or not any more, after it has created one. */
  async #withFolders<T>(options: CallOptions, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (!ZooKeeperError.is(error, "NO_NODE")) throw error;
    }
    for (const path of [this.#takenPath, this.#entriesPath]) {
      await untilAnswered(() => this.#client.createAll(path, options));
    }
    return call();
  }
}

/** Gives up a claim of which nobody has been told. */
function giveBack(claiming: Promise<QueueItem | undefined>): void {
  claiming.then((item) => item?.release(UNTIL_SESSION_ENDS)).catch(() => {});
}
