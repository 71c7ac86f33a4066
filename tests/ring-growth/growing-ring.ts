import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KvClient } from "../../src/client/index.ts";
import { createTransports, type Transports } from "../../src/client/transport/http2.ts";
import type { Latencies } from "../bench/latencies.ts";
import { assertPlaced, hasRing } from "../support/placed-keys.ts";
import { makeProcessCluster, type ProcessCluster } from "../support/process-cluster.ts";
import { writeDescriptors } from "../support/python-program.ts";
import { RedirectedCalls } from "../support/redirected-calls.ts";
import { runProgram } from "../support/run-program.ts";
import { ToldEvents } from "../support/told-events.ts";
import { until } from "../support/until.ts";
import { callerOver, redirectedCaller } from "./callers.ts";
import { PythonReader } from "./python-reader.ts";
import { RecordedCalls } from "./recorded-calls.ts";

export interface GrowthSettings {
  /** An even number: half of them are KvClients, the others have no library, and follow the redirects in errors. */
  readonly clients: number;
  readonly watchers: number;
  readonly keys: number;
}

/** How long a change may take, on a busy machine. */
const changedWithinMs = 110_000;
const toldWithinMs = 30_000;
/** Nobody is killed here, and a busy machine must not look as if somebody was: a write of unknown outcome is a failed call. */
const patience = { leasems: "4000", standbytimeoutms: "5000", sessiontimeoutms: "5000" };
/** Calls that end after each change. */
const moreCalls = 100;

/** The original's two groups, under load and watched, while the ring grows, shrinks and gets more virtual nodes. */
export class GrowingRing {
  readonly #cluster: ProcessCluster;
  readonly #folder: string;
  readonly #transports: Transports;
  /** Of the watches: one calls the data nodes, the other only routers. */
  readonly #readers: readonly KvClient[];
  readonly #clients: readonly KvClient[];
  readonly #redirected: readonly RedirectedCalls[];
  readonly #calls: RecordedCalls;
  readonly #watches: readonly ToldEvents[];
  readonly #python: PythonReader;
  /** Of the keys that are never deleted. */
  readonly #kept: ReadonlySet<string>;
  #pythonEnded: Promise<never> = new Promise(() => {});

  private constructor(
    cluster: ProcessCluster,
    folder: string,
    descriptors: string,
    { clients, watchers, keys }: GrowthSettings,
  ) {
    this.#cluster = cluster;
    this.#folder = folder;
    this.#transports = createTransports();
    const routers = cluster.routers.map(({ address }) => address);
    this.#readers = [true, false].map((direct) => new KvClient({ routers, direct }));
    // Every third one only knows routers, as those in browsers.
    this.#clients = Array.from(
      { length: clients / 2 },
      (_, n) => new KvClient({ routers, direct: n % 3 !== 2 }),
    );
    const first = cluster.nodes[0]?.address ?? "";
    this.#redirected = this.#clients.map(() => new RedirectedCalls(this.#transports, first));
    const names = Array.from({ length: keys }, (_, n) => `${n % 6 === 0 ? "deleted" : "kept"}-${n}`);
    this.#kept = new Set(names.filter((name) => name.startsWith("kept")));
    this.#calls = new RecordedCalls(names);
    const scopes = [
      {},
      { prefix: "kept-1" },
      { prefix: "deleted" },
      { key: names[0] ?? "" },
      { key: names[1] ?? "" },
    ];
    this.#watches = Array.from({ length: watchers }, (_, n) => {
      const client = this.#readers[n % 2] ?? assert.fail();
      return new ToldEvents(client, scopes[n % scopes.length] ?? {});
    });
    this.#python = new PythonReader(descriptors, cluster.routers[1]?.address ?? "");
  }

  static async start(settings: GrowthSettings): Promise<GrowingRing> {
    const folder = await mkdtemp(join(tmpdir(), "kvlab-growth-"));
    const descriptors = join(folder, "schema.binpb");
    await writeDescriptors(descriptors);
    const cluster = await makeProcessCluster({ env: patience });
    await cluster.startAll();
    const growing = new GrowingRing(cluster, folder, descriptors, settings);
    await growing.#begin();
    return growing;
  }

  async #begin(): Promise<void> {
    await Promise.all(this.#watches.map(({ ready }) => ready));
    this.#pythonEnded = (await this.#python.ready()).followed;
    await this.#calls.begin([...this.#clients.map(callerOver), ...this.#redirected.map(redirectedCaller)]);
  }

  /** Calls that have ended. */
  get callCount(): number {
    return this.#calls.count;
  }

  /** Events that all watchers together have been told. */
  get eventCount(): number {
    return this.#watches.reduce((sum, { count }) => sum + count, 0);
  }

  /** How long the calls take while nothing changes. */
  async quiet(calls: number): Promise<Latencies> {
    this.#calls.takeLatencies();
    const { count } = this.#calls;
    await this.#unlessFailed(
      until(`${calls} calls have ended`, changedWithinMs, () => this.#calls.count > count + calls),
    );
    return this.#calls.takeLatencies();
  }

  /**
   * Changes the ring, until it has these groups and nothing changes any more, while a scan shows all keys. Returns how long
   * the calls took meanwhile.
   */
  async change(change: () => Promise<unknown>, groups: readonly string[]): Promise<Latencies> {
    this.#calls.takeLatencies();
    const changed = async () => {
      await change();
      await this.#untilRing(groups);
    };
    await this.#unlessFailed(Promise.all([changed(), this.#assertScanShowsAll()]));
    const latencies = this.#calls.takeLatencies();
    // Nobody waits for what has moved.
    await this.quiet(moreCalls);
    return latencies;
  }

  /** Starts the first node of each of these groups, which then enter the ring by themselves. */
  async enter(...groups: readonly string[]): Promise<void> {
    await Promise.all(groups.map(async (group) => (await this.#cluster.dataNode(group)).start()));
  }

  /** Runs the command line. Returns its output. */
  async kvlab(...args: readonly string[]): Promise<string> {
    const cli = new URL("../../src/cli.ts", import.meta.url);
    const { stdout, stderr, exitCode } = await runProgram(cli, [...args, "--router", this.#router.address], {
      timeoutMs: changedWithinMs,
    });
    assert.deepEqual([stderr, exitCode], ["", 0]);
    return stdout;
  }

  /** Ends the load. No call has failed, and the history of every key is linearizable. */
  async assertLinearizable(): Promise<void> {
    await this.#calls.end();
    for (const { redirects } of this.#redirected) assert.ok(redirects > 0);
    assert.deepEqual(this.#calls.judge(), []);
  }

  /** After the load has ended: each key is where the ring says and nowhere else, with its last value. Returns the counts. */
  async assertPlaced(): Promise<Map<string, number>> {
    const values = [...this.#calls.written].flatMap(([key, changes]) => {
      const value = changes.at(-1)?.value;
      return value === undefined ? [] : [[key, value] as const];
    });
    const keys = values.map(([key]) => key);
    const counts = await assertPlaced(this.#cluster, this.#router, keys);
    const ring = JSON.parse(await this.kvlab("ring", "--json"));
    assert.equal(ring.change, undefined);
    for (const { name, keys: count } of ring.groups) assert.equal(count, counts.get(name), name);
    for (const kv of this.#readers) {
      for (const [key, value] of values) assert.equal((await kv.get(key))?.text(), value, key);
    }
    assert.deepEqual(await this.#python.scan(), keys.sort());
    return counts;
  }

  /** After the load has ended: every watch was told each change once, and in the order of its key. */
  async assertTold(): Promise<void> {
    const { written } = this.#calls;
    await until("all watches were told everything", toldWithinMs, () =>
      this.#watches.every((watch) => watch.isComplete(written)),
    );
    for (const watch of this.#watches) watch.assertIs(written);
    const revisions = new Map([...written].map(([key, list]) => [key, list.map(({ revision }) => revision)]));
    const { told } = this.#python;
    const toldAll = until("Python was told everything", toldWithinMs, () =>
      [...revisions].every(([key, { length }]) => (told.get(key)?.length ?? 0) >= length),
    );
    await Promise.race([toldAll, this.#pythonEnded]);
    assert.deepEqual(sorted(told), sorted(revisions));
  }

  async close(): Promise<void> {
    this.#python.close();
    await this.#calls.end().catch(() => {});
    for (const kv of [...this.#readers, ...this.#clients]) kv.close();
    this.#transports.close();
    await this.#cluster.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  get #router() {
    return this.#cluster.routers[0] ?? assert.fail();
  }

  async #untilRing(groups: readonly string[]): Promise<void> {
    await this.#cluster.topologyOf(
      this.#router,
      `the ring has ${groups.join(", ")}`,
      (topology) => hasRing(groups, topology),
      changedWithinMs,
    );
  }

  /** Every key once, in order, and none of those left out that are never deleted. */
  async #assertScanShowsAll(): Promise<void> {
    const found = await this.#python.scan();
    assert.deepEqual(found, [...new Set(found)].sort());
    assert.equal(found.filter((key) => this.#kept.has(key)).length, this.#kept.size);
  }

  async #unlessFailed(wanted: Promise<unknown>): Promise<void> {
    await Promise.race([wanted, this.#calls.failed(), this.#pythonEnded]);
  }
}

function sorted(map: ReadonlyMap<string, unknown>): [string, unknown][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}
