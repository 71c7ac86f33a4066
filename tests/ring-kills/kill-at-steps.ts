import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { AdminService } from "../../gen/kvlab/v1/admin_pb.ts";
import { KvClient } from "../../src/client/index.ts";
import { createTransports, type Transports } from "../../src/client/transport/http2.ts";
import { assertPlaced, hasRing } from "../support/placed-keys.ts";
import { makeProcessCluster, type ProcessCluster } from "../support/process-cluster.ts";
import type { ServerProcess } from "../support/server-process.ts";
import { ToldEvents } from "../support/told-events.ts";
import { until } from "../support/until.ts";
import { RecordedWrites } from "./recorded-writes.ts";
import { StopFile } from "./stop-file.ts";
import { masterOf, untilWhole } from "./whole.ts";

/** Where a move is stopped. `erase`: a second attempt, which finds copies of the first. */
export const steps = ["begin", "erase", "copy", "seal", "accept", "release", "done", "forget"] as const;
export type Step = (typeof steps)[number];

/** Who is killed then, alone. */
export const loneVictims = [
  "source's primary",
  "source's standby",
  "destination's primary",
  "destination's standby",
  "master",
] as const;
/** Who is killed then. */
export const victims = [...loneVictims, "both primaries", "all data nodes"] as const;
export type Victim = (typeof victims)[number];

const groups = ["zdata1", "zdata2"] as const;
/** Of each writer. */
const keysPerWriter = 15;
const writerCount = 3;
/** How long a change may take from a kill to its end, on a busy machine. */
const endsWithinMs = 60_000;
const callMs = 60_000;
/** How long all of one kill may take, restarts included. */
const killWithinMs = 240_000;

/**
 * Two groups of two nodes, between which the keys go back and forth: one group leaves the ring, or enters it. Meanwhile
 * there are writers, and watchers of all keys.
 */
export class KilledMoves {
  /** With what every server has ever written. Removed by `close`, unless something has failed. */
  readonly logs: string;
  readonly #folder: string;
  readonly #cluster: ProcessCluster;
  readonly #transports: Transports;
  readonly #stop: StopFile;
  readonly #clients: readonly KvClient[];
  readonly #writes = new RecordedWrites();
  readonly #watches: readonly ToldEvents[];
  /** Whether zdata2 is in the ring. */
  #isWhole = true;
  #hasFailed = false;
  kills = 0;
  /** How often a key was looked for in all nodes. */
  keysChecked = 0;

  private constructor(cluster: ProcessCluster, folder: string, logs: string, stop: StopFile) {
    this.#cluster = cluster;
    this.#folder = folder;
    this.logs = logs;
    this.#stop = stop;
    this.#transports = createTransports({ connectTimeoutMs: 1000 });
    const routers = cluster.routers.map(({ address }) => address);
    this.#clients = [true, false].map((direct) => new KvClient({ routers, direct, deadlineMs: callMs }));
    this.#watches = this.#clients.map((kv) => new ToldEvents(kv, {}));
    for (const server of this.#servers) server.logFile = join(logs, `${server.name}.log`);
  }

  static async start(): Promise<KilledMoves> {
    const folder = await mkdtemp(join(tmpdir(), "kvlab-kills-"));
    const [logs, stops] = [join(folder, "logs"), join(folder, "stops")];
    await Promise.all([mkdir(logs), mkdir(stops)]);
    const stop = new StopFile(stops);
    const cluster = await makeProcessCluster({
      env: { virtualnodes: "16", stopfile: stop.path },
      data: new URL("./stopping-data-program.ts", import.meta.url),
    });
    const moves = new KilledMoves(cluster, folder, logs, stop);
    await cluster.startAll();
    await Promise.all(moves.#watches.map(({ ready }) => ready));
    await moves.#write();
    return moves;
  }

  /** Writes that were acknowledged. */
  get writeCount(): number {
    return this.#writes.count;
  }

  /** Longest time in which a writer had no success. */
  get longestGapMs(): number {
    return this.#writes.longestGapMs;
  }

  /** Carries out one change, and kills somebody in the middle of it. */
  async kill(victim: Victim, step: Step): Promise<void> {
    const what = `kill ${this.kills + 1}, kill -9 of the ${victim} at ${step}`;
    for (const server of this.#servers) server.note(`=== ${what}`);
    await this.#checked(what, async () => {
      await Promise.race([this.#kill(victim, step), this.#writes.failed()]);
    });
    this.kills++;
  }

  /** Checks that everything was carried out and told once. Then the writers go on. */
  async check(): Promise<void> {
    await this.#checked(`after ${this.kills} kills`, async () => {
      await this.#writes.end();
      const { written, values } = this.#writes;
      await until("all watches were told everything", endsWithinMs, () =>
        this.#watches.every((watch) => watch.isComplete(written)),
      );
      for (const watch of this.#watches) watch.assertIs(written);
      const [kv = assert.fail()] = this.#clients;
      for (const [key, value] of values) assert.equal((await kv.get(key))?.text(), value, key);
      await this.#write();
    });
  }

  async close(): Promise<void> {
    await this.#writes.end().catch(() => {});
    for (const kv of this.#clients) kv.close();
    this.#transports.close();
    await this.#cluster.close();
    if (!this.#hasFailed) await rm(this.#folder, { recursive: true, force: true });
  }

  /** Says what has failed, where, and where to read on. */
  async #checked(what: string, check: () => Promise<void>): Promise<void> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`not over after ${killWithinMs} ms`)), killWithinMs);
    try {
      await Promise.race([check(), late.promise]);
    } catch (error) {
      this.#hasFailed = true;
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`${what}: ${why}\nWhat the servers have written is in ${this.logs}.`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  async #write(): Promise<void> {
    const [kv = assert.fail()] = this.#clients;
    await Promise.all(
      Array.from({ length: writerCount }, (_, writer) => {
        const keys = Array.from({ length: keysPerWriter }, (_, n) => `key-${writer}-${n}`);
        return this.#writes.begin(kv, keys);
      }),
    );
  }

  async #kill(victim: Victim, step: Step): Promise<void> {
    const [source, destination] = this.#isWhole ? (["zdata2", "zdata1"] as const) : groups;
    await this.#stop.stopAt(step === "erase" ? "seal" : step);
    await this.#admin.changeRing({
      request: { change: { case: this.#isWhole ? "drain" : "add", value: "zdata2" } },
    });
    this.#isWhole = !this.#isWhole;
    const stopped = step === "erase" ? await this.#untilErase(destination) : await this.#untilStopped();
    const killed = await this.#find(victim, source, destination);
    await Promise.all(killed.map((server) => server.kill()));
    if (!killed.includes(stopped)) stopped.signal("SIGCONT");
    // It ends without those who were killed, if anybody is left.
    const isNobodyLeft = victim === "all data nodes";
    if (!isNobodyLeft) await this.#changed();
    await this.#restart(killed);
    if (isNobodyLeft) await this.#changed();
    const keys = [...this.#writes.written.keys()];
    await assertPlaced(this.#cluster, this.#router, keys);
    this.keysChecked += keys.length;
    await this.#progress();
  }

  /** Lets an attempt fail when everything has been copied, and waits until the next one erases that. */
  async #untilErase(destination: string): Promise<ServerProcess> {
    const source = await this.#untilStopped();
    const primary = await this.#cluster.primaryOf(destination);
    await this.#admin.paceRing({ paused: true });
    await primary.kill();
    source.signal("SIGCONT");
    await this.#restart([primary]);
    await this.#stop.stopAt("forget");
    await this.#admin.paceRing({ paused: false });
    return await this.#untilStopped();
  }

  async #find(victim: Victim, source: string, destination: string): Promise<readonly ServerProcess[]> {
    const { nodes, groups: members } = this.#cluster;
    if (victim === "all data nodes") return nodes;
    if (victim === "master") return [await masterOf(this.#cluster, endsWithinMs)];
    const primaries = await Promise.all(groups.map((group) => this.#cluster.primaryOf(group)));
    if (victim === "both primaries") return primaries;
    const group = victim.startsWith("source") ? source : destination;
    const isWanted = (node: ServerProcess) => primaries.includes(node) === victim.endsWith("primary");
    return [members.get(group)?.find(isWanted) ?? assert.fail(victim)];
  }

  get #servers(): readonly ServerProcess[] {
    return [...this.#cluster.routers, ...this.#cluster.nodes];
  }

  get #router(): ServerProcess {
    return this.#cluster.routers.find(({ isRunning }) => isRunning) ?? assert.fail("a router runs");
  }

  get #admin() {
    return createClient(AdminService, this.#transports.transportTo(this.#router.address));
  }

  #untilStopped(): Promise<ServerProcess> {
    return this.#stop.untilStopped(this.#cluster.nodes, endsWithinMs);
  }

  async #changed(): Promise<void> {
    const names = this.#isWhole ? groups : [groups[0]];
    await this.#cluster.topologyOf(
      this.#router,
      "the change has ended",
      (given) => hasRing(names, given),
      endsWithinMs,
    );
  }

  /** Starts what was killed, and waits until all is as before. */
  async #restart(killed: readonly ServerProcess[]): Promise<void> {
    await Promise.all(killed.map((server) => server.start()));
    // A router that was there before may still show the one that was killed: it has the same address.
    const router = this.#cluster.routers.find((each) => killed.includes(each)) ?? this.#router;
    await untilWhole(this.#cluster, router, endsWithinMs);
  }

  /** Every writer has gone on. */
  async #progress(): Promise<void> {
    const before = this.#writes.count;
    await until("the load goes on", endsWithinMs, () => this.#writes.count > before + 2 * writerCount);
  }
}
