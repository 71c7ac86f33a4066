import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { AdminService, type RingRequest } from "../../../gen/kvlab/v1/admin_pb.ts";
import { SimProcess } from "../world/process.ts";
import { transportTo } from "../world/transport.ts";
import { count, type World } from "../world/world.ts";
import type { CalledCluster } from "./called-cluster.ts";

/** What is asked of the ring. */
export type RingWish = RingRequest["change"];

type Admin = ReturnType<typeof createClient<typeof AdminService>>;

const timeoutMs = 10_000;

/** Who changes the ring, as `kvlab ring` does: through a router. */
export class RingOperator {
  readonly #world: World;
  readonly #routers: CalledCluster["routers"];
  readonly #process: SimProcess;

  constructor({ world, routers }: Pick<CalledCluster, "world" | "routers">) {
    const { seed, scheduler, trace } = world;
    this.#world = world;
    this.#routers = routers;
    this.#process = new SimProcess("ring", 1, seed, scheduler, trace);
  }

  /** Begins a change, or puts it behind the one under way. `rate`: keys a second; 0: no limit. Returns it in words. */
  change(request: RingWish, rate = 0): string {
    const what = `${request.case} ${request.value}`;
    const wanted = { change: request, rate: BigInt(rate) };
    return this.#ask(`ring change asked for: ${request.case}`, what, (admin) =>
      admin.changeRing({ request: wanted }, { timeoutMs }),
    );
  }

  /** `rate`: undefined: as it was. */
  pace(paused: boolean, rate?: number): string {
    const what = paused ? "pause" : "resume";
    const limit = rate === undefined ? {} : { rate: BigInt(rate) };
    return this.#ask(`ring change asked for: ${what}`, what, (admin) =>
      admin.paceRing({ paused, ...limit }, { timeoutMs }),
    );
  }

  abort(): string {
    return this.#ask("ring change asked for: abort", "abort", (admin) => admin.abortRing({}, { timeoutMs }));
  }

  /** Removes a group whose nodes are stopped. Resolves with whether it could be. */
  async remove(group: string): Promise<boolean> {
    return await this.#askEach("group removed", `remove ${group}`, (admin) =>
      admin.removeGroup({ group }, { timeoutMs }),
    );
  }

  /** Lets what is under way go on as fast as it can. Otherwise it may take for ever. */
  hurry(): void {
    const change = this.#world.invariants.ring?.ring?.change;
    if (change !== undefined && (change.paused || change.rate !== undefined)) this.pace(false, 0);
  }

  /** Returns `what`. */
  #ask(counted: string, what: string, call: (admin: Admin) => Promise<unknown>): string {
    void this.#askEach(counted, what, call);
    return what;
  }

  /** Asks one router after another, until one answers. Resolves with whether it was done. */
  async #askEach(counted: string, what: string, call: (admin: Admin) => Promise<unknown>): Promise<boolean> {
    const { network } = this.#world;
    const first = Math.floor(this.#process.clock.random() * this.#routers.length);
    for (const { name } of [...this.#routers.slice(first), ...this.#routers.slice(0, first)]) {
      const transport = transportTo({ process: this.#process, network, address: name });
      try {
        await call(createClient(AdminService, transport));
        count(this.#world, counted);
        this.#process.log(`${what}: done`);
        return true;
      } catch (error) {
        const { code, message } = ConnectError.from(error);
        this.#process.log(`${what}: ${message}`);
        if (code !== Code.Unavailable) return false;
      }
    }
    return false;
  }
}
