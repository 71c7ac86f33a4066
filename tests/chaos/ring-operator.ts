import { createClient } from "@connectrpc/connect";
import { AdminService, type RingRequest } from "../../gen/kvlab/v1/admin_pb.ts";
import type { Topology } from "../../gen/kvlab/v1/topology_pb.ts";
import { Random } from "../simulation/world/random.ts";
import { type ChaosCluster, enteringGroup } from "./cluster.ts";
import type { Deed } from "./nemesis.ts";

const restMs = [200, 1500] as const;
const calls = { timeoutMs: 3000 } as const;
const virtualNodes = [4, 16, 64];
/** Keys a second. With so few keys as there are, a move then takes long enough to be disturbed. */
const rates = [0, 0, 0, 4];

type Admin = ReturnType<typeof adminOf>;

/** Something to ask of the ring. */
interface Wish {
  readonly kind: string;
  ask(admin: Admin, options: typeof calls): Promise<unknown>;
}

/** Changes the ring again and again, and pauses, resumes and aborts what it has begun, until it is stopped. */
export class RingOperator {
  /** Everything done so far. */
  readonly deeds: Deed[] = [];
  /** What was done, by kind. */
  readonly counts = new Map<string, number>();
  readonly #cluster: ChaosCluster;
  readonly #random: Random;
  readonly #done: Promise<void>;
  #isOver = false;
  #paused: bigint | undefined;

  constructor(cluster: ChaosCluster, seed: number) {
    this.#cluster = cluster;
    this.#random = new Random(`${seed} ring`);
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      await new Promise((resolve) => setTimeout(resolve, this.#random.between(...restMs)));
      const topology = await this.#cluster.topology();
      if (topology !== undefined && !this.#isOver) await this.#do(this.#wish(topology));
    }
  }

  async #do({ kind, ask }: Wish): Promise<void> {
    const routers = this.#cluster.servers.filter(({ group }) => group === undefined);
    const { address } = this.#random.pick(routers).process;
    try {
      await ask(adminOf(this.#cluster, address), calls);
      this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
      this.#tell(kind);
    } catch (error) {
      // Under faults it may have been done all the same.
      this.#tell(`${kind}: ${error instanceof Error ? error.message : error}`);
    }
  }

  #wish(topology: Topology): Wish {
    const id = topology.change?.id;
    if (id === undefined) return this.#change(topology);
    if (id === this.#paused) {
      this.#paused = undefined;
      return this.#random.chance(0.8) ? this.#resume() : abort;
    }
    if (this.#random.chance(0.2)) return this.#change(topology);
    if (this.#random.chance(0.2)) return abort;
    if (this.#random.chance(0.3)) return this.#resume();
    this.#paused = id;
    return { kind: "ring pause", ask: (admin, options) => admin.paceRing({ paused: true }, options) };
  }

  #resume(): Wish {
    const rate = BigInt(this.#random.pick(rates));
    return { kind: "ring resume", ask: (admin, options) => admin.paceRing({ paused: false, rate }, options) };
  }

  #change({ groups, change, virtualNodes: present }: Topology): Wish {
    const rate = BigInt(this.#random.pick(rates));
    const asked = (kind: string, wanted: RingRequest["change"]): Wish => ({
      kind,
      ask: (admin, options) => admin.changeRing({ request: { change: wanted, rate } }, options),
    });
    if (this.#random.chance(0.4)) {
      const value = this.#random.pick(
        virtualNodes.filter((count) => count !== (change?.virtualNodes ?? present)),
      );
      return asked("ring virtual nodes", { case: "virtualNodes", value });
    }
    const isIn = change?.groups.includes(enteringGroup) ?? shareOf(groups, enteringGroup) > 0;
    return isIn
      ? asked("ring drain", { case: "drain", value: enteringGroup })
      : asked("ring add", { case: "add", value: enteringGroup });
  }

  #tell(what: string): void {
    this.deeds.push({ atMs: performance.now(), what });
  }
}

const abort: Wish = { kind: "ring abort", ask: (admin, options) => admin.abortRing({}, options) };

/** Lets the change under way, and all that wait, go on as fast as they can. Resolves with true when nothing changes. */
export async function endRingChanges(cluster: ChaosCluster): Promise<boolean> {
  const topology = await cluster.topology();
  if (topology === undefined) return false;
  if (topology.change === undefined) return true;
  for (const { group, process } of cluster.servers) {
    if (group !== undefined) continue;
    // It may have ended meanwhile, and then the next one is looked at.
    await adminOf(cluster, process.address)
      .paceRing({ paused: false, rate: 0n }, calls)
      .catch(() => {});
  }
  return false;
}

function adminOf({ transports }: ChaosCluster, address: string) {
  return createClient(AdminService, transports.transportTo(address));
}

function shareOf(groups: Topology["groups"], name: string): number {
  return groups.find((group) => group.name === name)?.share ?? 0;
}
