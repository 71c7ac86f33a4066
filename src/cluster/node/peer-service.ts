import type { Clock } from "../../common/clock.ts";
import { checkCaller } from "../metadata/cluster-id.ts";
import { isSameMember, type Member } from "../metadata/model.ts";
import { OperationError, refused } from "../metadata/operation-error.ts";
import type { GroupMoves } from "../move/group-moves.ts";
import type {
  CountMisplacedRequest,
  IncomingStream,
  MisplacedKeys,
  MoveInRequest,
  MoveOutAnswer,
  MoveOutRequest,
  PeerRequest,
  PositionRequest,
  TransferRequest,
} from "../replication/peer.ts";
import type { Replica } from "../replication/replica.ts";
import type { ReplicationSettings } from "../replication/settings.ts";
import { HashRing } from "../ring/hash-ring.ts";
import type { LogStore } from "../storage/log-store.ts";
import type { Position } from "../storage/model.ts";
import { countAssigned } from "./assigned-keys.ts";

export interface PeerServiceOptions {
  readonly group: string;
  readonly store: LogStore;
  readonly replica: Replica;
  readonly settings: ReplicationSettings;
  /** The current registration, once the log has its number. */
  readonly self: () => Member | undefined;
  /** Undefined while this node is not the primary. */
  readonly moves: () => GroupMoves | undefined;
  readonly clock: Clock;
  /** Id of this node's cluster. Undefined until it is known. */
  readonly cluster: () => string | undefined;
}

/** The calls of other nodes on a data node: see `Peer`. Calls from nodes of another cluster are refused. */
export class PeerService {
  readonly #options: PeerServiceOptions;

  constructor(options: PeerServiceOptions) {
    this.#options = options;
  }

  /** Begins a stream of messages of the group's primary: see `Replica.openStream`. */
  replicate(): IncomingStream {
    const { replica, cluster } = this.#options;
    const stream = replica.openStream();
    return {
      append: async (request) => {
        checkCaller(cluster(), request.cluster);
        return await stream.append(request);
      },
      ended: () => stream.ended(),
    };
  }

  /** As `Peer.countMisplaced`. Errors: refused (this node is not the primary). */
  async countMisplaced(request: CountMisplacedRequest): Promise<MisplacedKeys> {
    const { cluster, group, ringGroups, virtualNodes } = request;
    checkCaller(this.#options.cluster(), cluster);
    const { replica, store, clock, group: own } = this.#options;
    const reason = group === own ? replica.unavailable : `it belongs to group "${own}"`;
    if (reason !== undefined) {
      throw refused(`this node cannot speak for group "${group}": ${reason}`);
    }
    const groups = await countAssigned(store, new HashRing(ringGroups, { virtualNodes }), clock);
    const keys = groups.reduce((sum, each) => (each.group === group ? sum : sum + each.keys), 0);
    return { keys, groups };
  }

  /** As `Peer.transferLeadership`. Errors: unavailable, refused. */
  async transferLeadership(
    { cluster, group, number }: TransferRequest,
    signal: AbortSignal,
  ): Promise<number> {
    checkCaller(this.#options.cluster(), cluster);
    const { primary } = this.#options.replica;
    if (group !== this.#options.group || primary === undefined) {
      throw new OperationError("unavailable", `this node is not the primary of group "${group}"`);
    }
    return await primary.transferLeadership(number, signal);
  }

  /** As `Peer.moveIn`. Errors: refused, unavailable, exhausted. */
  async moveIn(request: MoveInRequest): Promise<void> {
    await this.#moves(request).destination.run(request);
  }

  /** As `Peer.moveOut`. Errors: refused, unavailable, exhausted. */
  async moveOut(request: MoveOutRequest, signal: AbortSignal): Promise<MoveOutAnswer> {
    return await this.#moves(request).source.step(request, signal);
  }

  #moves({ cluster, group }: PeerRequest & { readonly group: string }): GroupMoves {
    checkCaller(this.#options.cluster(), cluster);
    const moves = this.#options.moves();
    if (group !== this.#options.group || moves === undefined) {
      throw new OperationError("unavailable", `this node is not the primary of group "${group}"`);
    }
    return moves;
  }

  /** As `Peer.position`. Errors: refused. */
  position({ cluster, group, number = 0, incarnation = "" }: PositionRequest): Position | undefined {
    checkCaller(this.#options.cluster(), cluster);
    const { store, settings, group: own } = this.#options;
    if (group !== own) throw refused(`this node belongs to group "${own}"`);
    const self = this.#options.self();
    if (number !== 0 && (self === undefined || !isSameMember(self, { number, incarnation }))) {
      throw refused(`this node is not node ${number} (${incarnation}) now`);
    }
    const { condition, durable, stalledMs } = store;
    // A node whose disk hangs would be of no use as primary.
    const isStalled = stalledMs >= settings.standbyTimeoutMs;
    return condition.kind === "damaged" || isStalled ? undefined : durable;
  }
}
