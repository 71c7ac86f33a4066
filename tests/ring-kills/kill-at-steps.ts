import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { AdminService } from "../../gen/kvlab/v1/admin_pb.ts";
import { KvClient } from "../../src/client/index.ts";
import { createTransports, type Transports } from "../../src/client/transport/http2.ts";
import { assertPlaced, hasRing, isInSync } from "../support/placed-keys.ts";
import { makeProcessCluster, type ProcessCluster } from "../support/process-cluster.ts";
import { RecordedWrites, ToldEvents, writerOver } from "../support/recorded-writes.ts";
import type { ServerProcess } from "../support/server-process.ts";
import { until } from "../support/until.ts";

/** Where a move is stopped. `erase`: a second attempt, which finds copies of the first. */
export const steps = ["begin", "erase", "copy", "seal", "accept", "release", "done", "forget"] as const;
export type Step = (typeof steps)[number];

/** Who is killed then. */
export const victims = [
  "source's primary",
  "source's standby",
  "destination's primary",
  "destination's standby",
  "master",
] as const;
export type Victim = (typeof victims)[number];

const groups = ["zdata1", "zdata2"] as const;
const nodeCount = 4;
/** Of each writer. */
const keysPerWriter = 15;
const writerCount = 3;
/** How long a change may take from a kill to its end, on a busy machine. */
const endsWithinMs = 30_000;
const callMs = 60_000;

/**
 * Two groups of two nodes, between which the keys go back and forth: one group leaves the ring, or enters it. Meanwhile
 * there are writers, and watchers of all keys.
 */
export class KilledMoves {
  readonly #cluster: ProcessCluster;
  readonly #transports: Transports;
  readonly #folder: string;
  readonly #clients: readonly KvClient[];
  readonly #writes = new RecordedWrites();
  readonly #watches: readonly ToldEvents[];
  /** Whether zdata2 is in the ring. */
  #isWhole = true;

  private constructor(cluster: ProcessCluster, transports: Transports, folder: string) {
    this.#cluster = cluster;
    this.#transports = transports;
    this.#folder = folder;
    const routers = cluster.routers.map(({ address }) => address);
    this.#clients = [true, false].map((direct) => new KvClient({ routers, direct, deadlineMs: callMs }));
    this.#watches = this.#clients.map((kv) => new ToldEvents(kv, {}));
  }

  static async start(): Promise<KilledMoves> {
    const folder = await mkdtemp(join(tmpdir(), "kvlab-kills-"));
    const cluster = await makeProcessCluster({
      env: { virtualnodes: "16", stopfile: join(folder, "stop") },
      data: new URL("./stopping-data-program.ts", import.meta.url),
    });
    await cluster.startAll();
    const moves = new KilledMoves(cluster, createTransports({ connectTimeoutMs: 1000 }), folder);
    await Promise.all(moves.#watches.map(({ ready }) => ready));
    const [kv = assert.fail()] = moves.#clients;
    await Promise.all(
      Array.from({ length: writerCount }, (_, writer) => {
        const keys = Array.from({ length: keysPerWriter }, (_, n) => `key-${writer}-${n}`);
        return moves.#writes.begin(writerOver(kv), keys);
      }),
    );
    return moves;
  }

  /** Writes that were acknowledged. */
  get writeCount(): number {
    return this.#writes.count;
  }

  /** Carries out one change, and kills somebody in the middle of it. */
  async kill(victim: Victim, step: Step): Promise<void> {
    const what = `kill -9 of the ${victim} at ${step}`;
    try {
      await Promise.race([this.#kill(victim, step), this.#writes.failed()]);
    } catch (error) {
      throw new Error(`${what}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }

  /** Checks that everything was carried out and told once. */
  async check(): Promise<void> {
    await this.#writes.end();
    const { written, values } = this.#writes;
    await until("all watches were told everything", endsWithinMs, () =>
      this.#watches.every((watch) => watch.isComplete(written)),
    );
    for (const watch of this.#watches) watch.assertIs(written);
    const [kv = assert.fail()] = this.#clients;
    for (const [key, value] of values) assert.equal((await kv.get(key))?.text(), value, key);
  }

  async close(): Promise<void> {
    await this.#writes.end().catch(() => {});
    for (const kv of this.#clients) kv.close();
    this.#transports.close();
    await this.#cluster.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** What the servers have written since they were last started. */
  get output(): string {
    const servers = [...this.#cluster.routers, ...this.#cluster.nodes];
    return servers.map(({ name, output }) => `--- ${name}\n${output}`).join("\n");
  }

  async #kill(victim: Victim, step: Step): Promise<void> {
    const [source, destination] = this.#isWhole ? (["zdata2", "zdata1"] as const) : groups;
    await this.#stopAt(step === "erase" ? "seal" : step);
    await this.#admin.changeRing({
      request: { change: { case: this.#isWhole ? "drain" : "add", value: "zdata2" } },
    });
    this.#isWhole = !this.#isWhole;
    const stopped = step === "erase" ? await this.#untilErase(destination) : await this.#untilStopped();
    const killed = await this.#find(victim, source, destination);
    await killed.kill();
    if (killed !== stopped) stopped.signal("SIGCONT");
    // It ends without the one that was killed.
    await this.#changed();
    await this.#untilBack(killed);
    const keys = this.#writes.written.keys();
    await assertPlaced(this.#cluster, this.#router, keys);
    await this.#progress();
  }

  /** Lets an attempt fail when everything has been copied, and waits until the next one erases that. */
  async #untilErase(destination: string): Promise<ServerProcess> {
    const source = await this.#untilStopped();
    const primary = await this.#cluster.primaryOf(destination);
    await this.#admin.paceRing({ paused: true });
    await primary.kill();
    source.signal("SIGCONT");
    await this.#untilBack(primary);
    await this.#stopAt("forget");
    await this.#admin.paceRing({ paused: false });
    return await this.#untilStopped();
  }

  async #find(victim: Victim, source: string, destination: string): Promise<ServerProcess> {
    if (victim === "master") {
      const { routers } = await this.#cluster.topologyOf(this.#router, "there is a master", (given) =>
        given.routers.some(({ number }) => number === 0),
      );
      const address = routers.find(({ number }) => number === 0)?.address;
      return this.#cluster.routers.find((router) => router.address === address) ?? assert.fail();
    }
    const group = victim.startsWith("source") ? source : destination;
    const primary = await this.#cluster.primaryOf(group);
    if (victim.endsWith("primary")) return primary;
    return this.#cluster.groups.get(group)?.find((node) => node !== primary) ?? assert.fail();
  }

  get #router(): ServerProcess {
    return this.#cluster.routers.find(({ isRunning }) => isRunning) ?? assert.fail("a router runs");
  }

  get #admin() {
    return createClient(AdminService, this.#transports.transportTo(this.#router.address));
  }

  async #stopAt(step: string): Promise<void> {
    await writeFile(join(this.#folder, "stop"), step);
  }

  /** The data node that has stopped itself. */
  async #untilStopped(): Promise<ServerProcess> {
    return await until("a data node has stopped", endsWithinMs, async () => {
      const name = (await readdir(this.#folder)).find((each) => each.startsWith("stop."));
      if (name === undefined) return undefined;
      await rm(join(this.#folder, name));
      const pid = Number(name.slice("stop.".length));
      return this.#cluster.nodes.find((node) => node.isRunning && node.pid === pid);
    });
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
  async #untilBack(killed: ServerProcess): Promise<void> {
    // Else what was known of it before might be taken for news.
    await this.#cluster.topologyOf(
      this.#router,
      `${killed.name} is known to be gone`,
      ({ groups: views }) =>
        !views.some(({ nodes }) => nodes.some(({ address, inSync }) => address === killed.address && inSync)),
      endsWithinMs,
    );
    await killed.start();
    await this.#cluster.topologyOf(
      this.#router,
      "all nodes are in sync",
      (given) => given.routers.length === 3 && isInSync(nodeCount, given),
      endsWithinMs,
    );
  }

  /** Every writer has gone on. */
  async #progress(): Promise<void> {
    const before = this.#writes.count;
    await until("the load goes on", endsWithinMs, () => this.#writes.count > before + 2 * writerCount);
  }
}
