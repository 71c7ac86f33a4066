import type { Clock } from "../../common/clock.ts";
import type { CasRegister } from "../metadata/cas-register.ts";
import type { RingState } from "../metadata/model.ts";
import type { TopologySource } from "../metadata/topology.ts";
import type { PeerAt } from "../replication/peer.ts";
import type { Primary } from "../replication/primary.ts";
import type { LogStore } from "../storage/log-store.ts";
import { MoveDestination } from "./move-destination.ts";
import { MoveSource } from "./move-source.ts";
import { StrayKeys } from "./stray-keys.ts";

/** `primary`: moves are the work of a primary, and end with it. */
export interface GroupMovesOptions {
  readonly group: string;
  readonly primary: Primary;
  readonly store: LogStore;
  readonly topology: TopologySource;
  readonly ring: CasRegister<RingState>;
  readonly clock: Clock;
  readonly peerAt: PeerAt;
  readonly log: (message: string) => void;
}

/** What a group does while the ring changes. The protocol, with the reason of each rule: docs/ring.md. */
export class GroupMoves {
  readonly source: MoveSource;
  readonly destination: MoveDestination;

  constructor(options: GroupMovesOptions) {
    this.source = new MoveSource(options);
    this.destination = new MoveDestination(options);
    new StrayKeys(options);
  }
}
