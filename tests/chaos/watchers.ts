import { KvClient, type KvEvent } from "../../src/client/index.ts";
import { nodeDisk } from "../../src/cluster/storage/disk/node-disk.ts";
import type { LogRecord } from "../../src/cluster/storage/model.ts";
import { openLog } from "../../src/cluster/storage/open.ts";
import { systemClock } from "../../src/common/clock.ts";
import type { Random } from "../simulation/world/random.ts";
import type { ChaosServer } from "./cluster.ts";

/** A change in words, the same for an event and for what the log says. */
type Told = string;

interface Scope {
  readonly key?: string;
  readonly prefix?: string;
}

/** How long a watcher goes on with one watch before it goes on with another, from the last token. */
const restMsMax = 8000;

/** One who watches throughout the faults, and writes down what it is told. */
class Watcher {
  readonly name: string;
  readonly scope: Scope;
  readonly told: Told[] = [];
  readonly #client: KvClient;
  readonly #random: Random;
  #token: string | undefined;
  #failure: unknown;
  #isOver = false;
  #stop = new AbortController();
  readonly ready = Promise.withResolvers<void>();
  readonly #done: Promise<void>;

  constructor(name: string, client: KvClient, scope: Scope, random: Random) {
    this.name = name;
    this.scope = scope;
    this.#client = client;
    this.#random = random;
    this.#done = this.#run();
  }

  /** Ends it. Returns what has gone wrong. */
  async stop(): Promise<unknown> {
    this.#isOver = true;
    this.#stop.abort();
    await this.#done;
    return this.#failure;
  }

  async #run(): Promise<void> {
    while (!this.#isOver && this.#failure === undefined) {
      this.#stop = new AbortController();
      const rest = setTimeout(() => this.#stop.abort(), this.#random.between(1000, restMsMax));
      try {
        await this.#watch(this.#stop.signal);
      } catch (error) {
        if (!this.#stop.signal.aborted) this.#failure = error;
      } finally {
        clearTimeout(rest);
      }
    }
    this.ready.resolve();
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const watch = this.#client.watch({
      ...this.scope,
      after: this.#token,
      progress: true,
      previous: true,
      deadlineMs: 60_000,
      signal,
    });
    for await (const event of watch) {
      this.#token = event.token;
      if (event.type === "progress") this.ready.resolve();
      else this.told.push(wordsOf(event));
    }
  }
}

function wordsOf(event: KvEvent): Told {
  const value = event.type === "put" ? `=${event.text()}` : "";
  return `${event.key} ${event.type}${value} at ${event.revision}, after ${event.previous?.revision ?? 0}`;
}

/** Watchers of all keys, of some and of one; some over the routers alone, and over links that are cut. */
export async function startWatchers(
  count: number,
  servers: readonly ChaosServer[],
  keys: readonly string[],
  random: Random,
): Promise<Watchers> {
  const routers = servers.filter(({ group }) => group === undefined);
  const clients = [true, false].flatMap((direct) =>
    [(server: ChaosServer) => server.front.address, (server: ChaosServer) => server.process.address].map(
      (addressOf) => new KvClient({ routers: routers.map(addressOf), direct }),
    ),
  );
  const watchers = Array.from({ length: count }, (_, index) => {
    const client = clients[index % clients.length] ?? new KvClient({ routers: [] });
    const scopes: Scope[] = [{}, { prefix: "key-" }, { key: random.pick(keys) }, { key: random.pick(keys) }];
    const scope = random.pick(scopes);
    return new Watcher(`watcher ${index} of ${JSON.stringify(scope)}`, client, scope, random);
  });
  await Promise.all(watchers.map(({ ready }) => ready.promise));
  return new Watchers(watchers, clients);
}

export class Watchers {
  readonly #watchers: readonly Watcher[];
  readonly #clients: readonly KvClient[];

  constructor(watchers: readonly Watcher[], clients: readonly KvClient[]) {
    this.#watchers = watchers;
    this.#clients = clients;
  }

  get count(): number {
    return this.#watchers.length;
  }

  /** Events told to all of them together. */
  get eventCount(): number {
    return this.#watchers.reduce((sum, { told }) => sum + told.length, 0);
  }

  /** Whether all who are to be told of this key have been told of this value. */
  allKnow(key: string, value: string): boolean {
    const concerned = this.#watchers.filter(({ scope }) => (scope.key ?? key) === key);
    return concerned.every(({ told }) => told.some((event) => event.startsWith(`${key} put=${value} `)));
  }

  /** Ends all watches. Returns which of them have failed. */
  async stop(): Promise<string[]> {
    const failures = await Promise.all(
      this.#watchers.map(async (watcher) => {
        const failure = await watcher.stop();
        return failure === undefined ? [] : [`${watcher.name} has failed: ${failure}`];
      }),
    );
    for (const client of this.#clients) client.close();
    return failures.flat();
  }

  /**
   * Compares what each was told with the logs, one of each group. A key may have been in several groups: its revisions say
   * in which order. Returns where they differ.
   */
  compare(logs: readonly (readonly LogRecord[])[]): string[] {
    const changes = logs.flatMap(changesOf).sort((a, b) => a.revision - b.revision);
    return this.#watchers.flatMap((watcher) => {
      const { key: only, prefix = "" } = watcher.scope;
      const told = byKey(watcher.told);
      const written = byKey(
        changes
          .filter(({ key }) => key === (only ?? key) && key.startsWith(prefix))
          .map(({ told: words }) => words),
      );
      return [...new Set([...told.keys(), ...written.keys()])].flatMap((key) => {
        const [events, changes] = [told.get(key) ?? [], written.get(key) ?? []];
        const at = changes.findIndex((change, index) => change !== events[index]);
        if (at < 0 && events.length === changes.length) return [];
        const place = at < 0 ? changes.length : at;
        return [`${watcher.name} was told "${events[place]}" where the log has "${changes[place]}"`];
      });
    });
  }
}

interface WrittenChange {
  readonly key: string;
  readonly revision: number;
  readonly told: Told;
}

/** The changes of a group's own, in words. What has been copied was told by the group that it came from. */
function changesOf(log: readonly LogRecord[]): WrittenChange[] {
  /** By seq. */
  const revisions = new Map<number, number>();
  let ahead = 0;
  return log.flatMap(({ seq, changes, move }) => {
    if (move?.kind === "accept") ahead = Math.max(ahead, move.ahead);
    const revision = move?.kind === "copy" ? move.revision : seq + ahead;
    revisions.set(seq, revision);
    if (move !== undefined) return [];
    return changes.map(({ key, kind, value, previous }) => {
      const shown = kind === "put" ? `=${Buffer.from(value)}` : "";
      const told = `${key} ${kind}${shown} at ${revision}, after ${revisions.get(previous) ?? 0}`;
      return { key, revision, told };
    });
  });
}

/** Order is promised for each key. */
function byKey(list: readonly Told[]): Map<string, Told[]> {
  const lists = new Map<string, Told[]>();
  for (const told of list) {
    const key = told.slice(0, told.indexOf(" "));
    const known = lists.get(key);
    if (known === undefined) lists.set(key, [told]);
    else known.push(told);
  }
  return lists;
}

/** All records of the log of a process that has ended. */
export async function recordsOf(dbfile: string): Promise<LogRecord[]> {
  const store = await openLog({
    disk: nodeDisk,
    dbfile,
    rbfile: `${dbfile}.rb`,
    clock: systemClock,
    onFatal: (error) => {
      throw error;
    },
    log: () => {},
  });
  try {
    const records: LogRecord[] = [];
    for (;;) {
      const next = await store.read(records.at(-1)?.seq ?? 0, 1024 * 1024);
      if (next === undefined) throw new Error(`${dbfile} has been compacted`);
      if (next.length === 0) return records;
      records.push(...next);
    }
  } finally {
    await store.close();
  }
}
