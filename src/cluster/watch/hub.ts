import type { Clock } from "../clock.ts";
import { KvError } from "../errors.ts";
import type { LogRecord, LogStore, Position } from "../log-store.ts";
import { holds } from "../replication/history.ts";
import { ScopeIndex } from "./scope.ts";
import { previousNow, Watcher, type WatchOptions, type WatchStep } from "./watcher.ts";

/** Watches of one node at a time. */
const watchersMax = 20_000;

/** Read of the log at once for a watcher that is behind, about. */
const readBytes = 256 * 1024;

/** A watcher that has nothing to be told is told how far it has come after this time: so it loses no history. */
const progressMs = 10_000;

/** How often it is looked who is due. */
const tickMs = 1000;

/** All watches of one node. What becomes visible is handed to those who have all before it; others read the log. */
export class WatchHub {
  readonly #store: LogStore;
  readonly #clock: Clock;
  readonly #live = new Set<Watcher>();
  readonly #scopes = new ScopeIndex<Watcher>();
  #watchers = 0;
  #isTicking = false;

  constructor(store: LogStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    store.onVisible((record) => this.#dispatch(record));
  }

  /**
   * The changes of a scope, until `signal` is aborted: whoever reads slowly holds up nobody. The first step comes at
   * once. To be begun in a turn in which what is visible is known to be the last. Errors: history-lost, exhausted.
   */
  async *watch(options: WatchOptions, signal: AbortSignal): AsyncGenerator<WatchStep, void, void> {
    const at = this.#begin(options.after);
    if (this.#watchers >= watchersMax) {
      throw new KvError("exhausted", `${watchersMax} watches are open on this node already`);
    }
    const watcher = new Watcher(options, at, this.#clock.monotonicMs());
    const wake = () => watcher.wake();
    signal.addEventListener("abort", wake);
    this.#watchers++;
    try {
      yield { events: [], at };
      while (!signal.aborted) {
        const step = this.#live.has(watcher) ? await this.#next(watcher) : await this.#readOn(watcher);
        if (signal.aborted) return;
        if (step === undefined) continue;
        watcher.toldMs = this.#clock.monotonicMs();
        yield step;
      }
    } finally {
      this.#watchers--;
      this.#drop(watcher);
      signal.removeEventListener("abort", wake);
    }
  }

  #begin(after: Position | undefined): Position {
    const { visible, base, epochs } = this.#store;
    if (after === undefined) return visible;
    const isOurs = after.seq <= visible.seq && (after.epoch === 0 || holds({ epochs, last: visible }, after));
    if (isOurs && after.seq >= base.seq) return after;
    const reason = isOurs ? "has been compacted away" : "is not one of this group's history";
    throw lost(`what came after revision ${after.seq}`, reason, base.seq);
  }

  /** Of a live watcher: what waits for it, or how far it has come. */
  async #next(watcher: Watcher): Promise<WatchStep | undefined> {
    await watcher.wait();
    const step = watcher.take();
    if (step !== undefined) return await step;
    // In this very turn nothing waits: everything visible has been told.
    const isDue = this.#clock.monotonicMs() - watcher.toldMs >= progressMs;
    if (!this.#live.has(watcher) || !isDue) return undefined;
    watcher.at = this.#store.visible;
    return { events: [], at: watcher.at };
  }

  /** Of a watcher that is behind: some of what it lacks. Makes it live when that is nothing. */
  async #readOn(watcher: Watcher): Promise<WatchStep | undefined> {
    const store = this.#store;
    const { visible } = store;
    if (watcher.at.seq >= visible.seq) {
      this.#live.add(watcher);
      this.#scopes.add(watcher.scope, watcher);
      this.#tick();
      return undefined;
    }
    const records = (await store.read(watcher.at.seq, readBytes))?.filter(({ seq }) => seq <= visible.seq);
    const last = records?.at(-1);
    if (records === undefined || last === undefined) {
      throw lost(
        `what came after revision ${watcher.at.seq}`,
        "was compacted away before it was read",
        store.base.seq,
      );
    }
    const events = await watcher.eventsOf(records, store);
    watcher.at = { epoch: last.epoch, seq: last.seq };
    const isDue = this.#clock.monotonicMs() - watcher.toldMs >= progressMs;
    return events.length > 0 || isDue ? { events, at: watcher.at } : undefined;
  }

  #dispatch(record: LogRecord): void {
    if (this.#live.size === 0) return;
    const at = { epoch: record.epoch, seq: record.seq };
    for (const change of record.changes) {
      let previous: ReturnType<typeof previousNow> | undefined;
      for (const watcher of this.#scopes.find(change.key)) {
        if (watcher.wantsPrevious) previous ??= previousNow(this.#store, change);
        const told = watcher.wantsPrevious && previous !== undefined ? previous : nothing;
        if (!watcher.push({ change, at, previous: told })) this.#drop(watcher);
      }
    }
  }

  /** What waits for it will be read from the log instead, from where it was told last. */
  #drop(watcher: Watcher): void {
    if (!this.#live.delete(watcher)) return;
    this.#scopes.delete(watcher.scope, watcher);
    watcher.clear();
    watcher.wake();
  }

  #tick(): void {
    if (this.#isTicking) return;
    this.#isTicking = true;
    this.#clock.timer(tickMs, () => {
      this.#isTicking = false;
      if (this.#live.size === 0) return;
      const dueMs = this.#clock.monotonicMs() - progressMs;
      for (const watcher of this.#live) if (watcher.toldMs <= dueMs) watcher.wake();
      this.#tick();
    });
  }
}

const nothing = Promise.resolve(undefined);

function lost(what: string, reason: string, oldest: number): KvError {
  return new KvError(
    "history-lost",
    `${what} ${reason}; revision ${oldest} is the oldest that can be begun after`,
    {
      revision: oldest,
    },
  );
}
