import type { Clock } from "../../common/clock.ts";
import type { CasRegister } from "../metadata/cas-register.ts";
import type { RingState } from "../metadata/model.ts";
import type { TopologySource } from "../metadata/topology.ts";
import type { PeerAt } from "../replication/peer.ts";
import type { Primary } from "../replication/primary.ts";
import type { LogStore } from "../storage/log-store.ts";

/** What the parts of a move need. Moves are the work of a primary, and end with it. */
export interface MoveOptions {
  /** The group of this node. */
  readonly group: string;
  readonly primary: Pick<Primary, "log" | "ended" | "epoch">;
  readonly store: LogStore;
  readonly topology: TopologySource;
  readonly ring: CasRegister<RingState>;
  readonly clock: Clock;
  readonly peerAt: PeerAt;
  /** How many calls of clients this node has taken so far: moves give way to them. */
  readonly callCount: () => number;
  /** Tells all watches of this group how far they have come: those of another group may wait for it. */
  readonly tellProgress: () => void;
  readonly log: (message: string) => void;
}
