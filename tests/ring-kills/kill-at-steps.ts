import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { AdminService } from "../../gen/kvlab/v1/admin_pb.ts";
import type { Topology } from "../../gen/kvlab/v1/topology_pb.ts";
import { createTransports, type Transports } from "../../src/client/transport/http2.ts";
import { assertPlaced, hasRing } from "../support/placed-keys.ts";
import { makeProcessCluster, type ProcessCluster } from "../support/process-cluster.ts";
import type { ServerProcess } from "../support/server-process.ts";
import { StopFile } from "./stop-file.ts";
import { WatchedLoad } from "./watched-load.ts";
import { isAnyPrimary, isStranded, masterOf, untilWhole } from "./whole.ts";

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
/** How long a change may take from a kill to its end, on a busy machine. */
const endsWithinMs = 60_000;
/** How long all of one move may take, restarts included. */
const moveWithinMs = 240_000;

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
  readonly #load: WatchedLoad;
  /** Whether zdata2 is in the ring. */
  #isWhole = true;
  #hasFailed = false;
  /** Moves so far. */
  disturbances = 0;
  /** Of these, moves that could not end before a lost node was back. */
  stranded = 0;
  /** How often a key was looked for in all nodes. */
  keysChecked = 0;

  private constructor(cluster: ProcessCluster, folder: string, logs: string, stop: StopFile) {
    this.#cluster = cluster;
    this.#folder = folder;
    this.logs = logs;
    this.#stop = stop;
    this.#transports = createTransports({ connectTimeoutMs: 1000 });
    this.#load = new WatchedLoad(cluster.routers.map(({ address }) => address));
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
    await moves.#load.begin();
    return moves;
  }

  get load(): Pick<WatchedLoad, "writeCount" | "longestGapMs"> {
    return this.#load;
  }

  /** Carries out one change, and kills somebody in the middle of it. */
  async kill(victim: Victim, step: Step): Promise<void> {
    await this.#disturb(`kill -9 of the ${victim} at ${step}`, step, async (stopped, source, destination) => {
      const killed = await this.#find(victim, source, destination);
      await Promise.all(killed.map((server) => server.kill()));
      if (!killed.includes(stopped)) stopped.signal("SIGCONT");
      await this.#endsWithout(killed);
      await this.#restart(killed);
      await this.#changed();
    });
  }

  /**
   * Carries out one change, in which a primary freezes. When others have taken its place and ended the change, it goes on
   * with its step as if nothing had happened.
   */
  async freeze(step: Step): Promise<void> {
    await this.#disturb(`freeze of a primary at ${step}`, step, async (stopped) => {
      await this.#endsWithout([stopped]);
      stopped.signal("SIGCONT");
      await untilWhole(this.#cluster, this.#router, endsWithinMs);
      await this.#changed();
    });
  }

  /** Checks that everything was carried out and told once. Then the writers go on. */
  async check(): Promise<void> {
    await this.#checked(`after ${this.disturbances} moves`, async () => {
      await this.#load.check(endsWithinMs);
      await this.#load.begin();
    });
  }

  async close(): Promise<void> {
    await this.#load.close();
    this.#transports.close();
    await this.#cluster.close();
    if (!this.#hasFailed) await rm(this.#folder, { recursive: true, force: true });
  }

  /** Begins a change, disturbs it when it has come to the step, and checks what has become of it. */
  async #disturb(
    what: string,
    step: Step,
    disturb: (stopped: ServerProcess, source: string, destination: string) => Promise<void>,
  ): Promise<void> {
    const name = `move ${this.disturbances + 1}, ${what}`;
    for (const server of this.#servers) server.note(`=== ${name}`);
    const run = async () => {
      await this.#load.toggleKeys(this.disturbances);
      const [source, destination] = this.#isWhole ? (["zdata2", "zdata1"] as const) : groups;
      const stopped = await this.#changeUntil(step, destination);
      await disturb(stopped, source, destination);
      const { keys } = this.#load;
      await assertPlaced(this.#cluster, this.#router, keys);
      this.keysChecked += keys.length;
      await this.#load.progress(endsWithinMs);
    };
    await this.#checked(name, () => Promise.race([run(), this.#load.failed()]));
    this.disturbances++;
  }

  /** Says what has failed, where, and where to read on. */
  async #checked(what: string, check: () => Promise<void>): Promise<void> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`not over after ${moveWithinMs} ms`)), moveWithinMs);
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

  /** Begins a change. Returns the node that has stopped at the step. */
  async #changeUntil(step: Step, destination: string): Promise<ServerProcess> {
    await this.#stop.stopAt(step === "erase" ? "seal" : step);
    await this.#admin.changeRing({
      request: { change: { case: this.#isWhole ? "drain" : "add", value: "zdata2" } },
    });
    this.#isWhole = !this.#isWhole;
    return step === "erase" ? await this.#untilErase(destination) : await this.#untilStopped();
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
    await this.#cluster.topologyOf(
      this.#router,
      "the change has ended",
      (given) => this.#hasChanged(given),
      endsWithinMs,
    );
  }

  /** Waits until the change has ended, and others have the places of these; or until they turn out to be needed for that. */
  async #endsWithout(lost: readonly ServerProcess[]): Promise<void> {
    const seen = await this.#cluster.topologyOf(
      this.#router,
      "the change has ended without those who are lost",
      (given) => isStranded(given) || (this.#hasChanged(given) && !isAnyPrimary(lost, given)),
      endsWithinMs,
    );
    if (isStranded(seen)) this.stranded++;
  }

  #hasChanged(topology: Topology): boolean {
    return hasRing(this.#isWhole ? groups : [groups[0]], topology);
  }

  /** Starts what was killed, and waits until all is as before. */
  async #restart(killed: readonly ServerProcess[]): Promise<void> {
    await Promise.all(killed.map((server) => server.start()));
    // A router that was there before may still show the one that was killed: it has the same address.
    const router = this.#cluster.routers.find((each) => killed.includes(each)) ?? this.#router;
    await untilWhole(this.#cluster, router, endsWithinMs);
  }
}
