import { ConnectError, createClient } from "@connectrpc/connect";
import { AdminService } from "../../../gen/kvlab/v1/admin_pb.ts";
import { SimProcess } from "../world/process.ts";
import { transportTo } from "../world/transport.ts";
import type { World } from "../world/world.ts";

/** Who looks after the cluster, as `kvlab transfer` and `kvlab recover` do: through a router. */
export class Operator {
  readonly #world: World;
  readonly #process: SimProcess;

  constructor(world: World) {
    const { seed, scheduler, trace } = world;
    this.#world = world;
    this.#process = new SimProcess("op", 1, seed, scheduler, trace);
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

  #admin(router: string) {
    const { network } = this.#world;
    return createClient(AdminService, transportTo({ process: this.#process, network, address: router }));
  }
}
