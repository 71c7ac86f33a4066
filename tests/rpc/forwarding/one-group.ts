import { addressOf } from "../../support/address.ts";
import { ToyTopology } from "../../support/toy-topology.ts";

/** One group whose primary the test chooses. */
export class OneGroup extends ToyTopology {
  primary(address: string | undefined): void {
    const member = { number: 1, incarnation: "1" };
    const nodes = address === undefined ? [] : [{ ...member, address: addressOf(address) }];
    const state = { version: 1, value: { epoch: 1, primary: member, inSync: [member] } };
    this.tell({
      cluster: "c1",
      ring: { version: 1, value: { version: 1, virtualNodes: 2, groups: ["g"], written: true } },
      groups: new Map([["g", { name: "g", nodes, state }]]),
      routers: [],
      staleSinceMs: undefined,
    });
  }

  /** ZooKeeper has been reached, and holds nothing. */
  empty(): void {
    this.current = {
      cluster: undefined,
      ring: undefined,
      groups: new Map(),
      routers: [],
      staleSinceMs: undefined,
    };
  }
}
