import { ConnectError, createClient } from "@connectrpc/connect";
import { AdminService } from "../../../gen/kvlab/v1/admin_pb.ts";
import { RouterService } from "../../../gen/kvlab/v1/router_pb.ts";
import { placementOf } from "../../../src/cluster/ring/placement.ts";
import type { RingFacts } from "../checks/ring-facts.ts";
import { SimProcess } from "../world/process.ts";
import { transportTo } from "../world/transport.ts";
import type { World } from "../world/world.ts";
import type { CalledCluster } from "./called-cluster.ts";

/** For how long a lost group is left alone, at least and at most: somebody may bring back what it needs. */
const patienceMs = [2000, 6000] as const;

/** Who looks after the cluster, as `kvlab transfer` and `kvlab recover` do: through a router. */
export class Operator {
  readonly #world: World;
  readonly #routers: CalledCluster["routers"];
  readonly #process: SimProcess;
  /** Groups that wait to be recovered. */
  readonly #waiting = new Set<string>();

  constructor({ world, routers }: Pick<CalledCluster, "world" | "routers">) {
    const { seed, scheduler, trace } = world;
    this.#world = world;
    this.#routers = routers;
    this.#process = new SimProcess("op", 1, seed, scheduler, trace);
  }

  /** If a group is lost, recovers it after a while, and tries until it is lost no more. */
  lookAfter(group: string): void {
    if (this.#waiting.has(group) || !this.#world.invariants.group(group).isLost) return;
    this.#waiting.add(group);
    const [leastMs, mostMs] = patienceMs;
    const waitMs = leastMs + (mostMs - leastMs) * this.#process.clock.random();
    this.#process.deliver(waitMs, "recover", () => {
      void this.#recover(group).then(() => {
        this.#waiting.delete(group);
        this.lookAfter(group);
      });
    });
  }

  async #recover(group: string): Promise<void> {
    const { invariants } = this.#world;
    const facts = invariants.group(group);
    if (!facts.isLost) return;
    const { random } = this.#process.clock;
    const router = this.#routers[Math.floor(random() * this.#routers.length)]?.name ?? "";
    const acceptDataLoss = random() < 0.8;
    if (acceptDataLoss) facts.givenUp = facts.state;
    try {
      const { number, epoch, loss } = await this.#admin(router).recover(
        { group, acceptDataLoss, accepted: { epoch: BigInt(facts.state?.epoch ?? 0) } },
        { timeoutMs: 10_000 },
      );
      this.#process.log(`group ${group} was recovered with node ${number}, epoch ${epoch}: ${loss}`);
      const era = facts.eras.find((each) => BigInt(each.epoch) === epoch);
      if (acceptDataLoss && era?.recovered === number) return;
      invariants.violated(
        `an operator is told that node ${number} was made primary of group ${group} in epoch ${epoch}, and ` +
          (acceptDataLoss ? `it was ${era?.recovered ?? "nobody"}` : "no loss of data was accepted"),
      );
    } catch (error) {
      this.#process.log(`group ${group} was not recovered: ${ConnectError.from(error).message}`);
    }
  }

  /** Transfers the leadership of a group, as far as that is possible now. */
  async transfer(router: string, group: string, number: number): Promise<void> {
    try {
      const { epoch } = await this.#admin(router).transfer({ group, number }, { timeoutMs: 10_000 });
      this.#process.log(`the leadership of group ${group} was transferred, epoch ${epoch}`);
    } catch (error) {
      this.#process.log(
        `the leadership of group ${group} was not transferred: ${ConnectError.from(error).message}`,
      );
    }
  }

  /** Looks at the shares of the groups as a router tells them: those of the ring. */
  async checkShares(router: string, ring: RingFacts): Promise<void> {
    try {
      const transport = transportTo({
        process: this.#process,
        network: this.#world.network,
        address: router,
      });
      const { topology } = await createClient(RouterService, transport).getTopology(
        {},
        { timeoutMs: 10_000 },
      );
      const told = ring.rings.get(Number(topology?.ringVersion ?? 0));
      const shares = told && placementOf(told).shares();
      for (const { name, share } of topology?.groups ?? []) {
        const wanted = shares?.get(name) ?? 0;
        if (Math.abs(share - wanted) < 1e-6) continue;
        this.#world.invariants.violated(
          `${router} tells a share of ${share} for group ${name}; it is ${wanted}`,
        );
      }
    } catch (error) {
      this.#process.log(`${router} has told no topology: ${ConnectError.from(error).message}`);
    }
  }

  #admin(router: string) {
    const { network } = this.#world;
    return createClient(AdminService, transportTo({ process: this.#process, network, address: router }));
  }
}
