/** The types of what ZooKeeper has about the cluster. */

import type { Address } from "../../common/address.ts";
import type { Move } from "../ring/changing-ring.ts";
import type { Position } from "../storage/model.ts";

/** One registration of a replica. A replica that registers again has the same number and another incarnation. */
export interface Member {
  readonly number: number;
  /** czxid (creation transaction) of its ephemeral znode. */
  readonly incarnation: string;
}

/** Whether these are the same incarnation of the same replica. */
export function isSameMember(a: Member, b: Member): boolean {
  return a.number === b.number && a.incarnation === b.incarnation;
}

/** Whether this incarnation of this replica is one of these. */
export function hasMember(members: readonly Member[], member: Member): boolean {
  return members.some((other) => isSameMember(other, member));
}

/** `/data/[name]/state`: the authority over a group. */
export interface GroupState {
  /** Rises by one with every new primary. 0: there has been none yet. */
  readonly epoch: number;
  /** Undefined when there is none. */
  readonly primary: Member | undefined;
  /** The replicas that have every acknowledged write, including the primary. */
  readonly inSync: readonly Member[];
}

/**
 * `/data/[name]/logs`: facts about the logs of a group's replicas, to recognise a log that has replaced another. It is not
 * part of the state, because it changes every few seconds, and every process watches the state.
 */
export interface GroupLogs {
  /**
   * Epoch with which the present history began: that of the last recovery, which has given up what came before in other
   * logs. Undefined: there was none.
   */
  readonly firstEpoch?: number | undefined;
  /** Every in-sync replica has this record. A log without it is an older copy, or another log. */
  readonly floor: Position;
  /** Store id of each replica by its number, as of its last registration. */
  readonly stores: ReadonlyMap<number, string>;
}

/** `/ring`: which groups there are keys in, and where each key lives. */
export interface RingState extends RingShape {
  /** Rises by one with every change of the znode: one version always means one placement of keys. */
  readonly version: number;
  /**
   * Whether a write may have been accepted. Set by compare-and-set before the very first write. From then on keys move when
   * the ring changes.
   */
  readonly written: boolean;
  /** The change under way. */
  readonly change?: RingChange | undefined;
  /** What is to be changed after that, in this order. */
  readonly queue?: readonly RingRequest[] | undefined;
  /** Groups that an operator has taken out of the ring, or kept out. They do not enter by themselves. */
  readonly outside?: readonly string[] | undefined;
  /** The groups that were removed last, the latest last. */
  readonly removed?: readonly RemovedGroup[] | undefined;
}

/** A group that an operator has removed from the cluster. Tokens of watches may still name it. */
export interface RemovedGroup {
  readonly group: string;
  /** Of the ring with which it was removed. Ring changes before that are of this group, and not of a later one of its name. */
  readonly ringVersion: number;
  /** Epoch with which its last history began: see `GroupLogs.firstEpoch`. */
  readonly firstEpoch: number;
  /** A later group of its name begins with the next epoch. */
  readonly lastEpoch: number;
}

/** What places keys. */
export interface RingShape {
  readonly virtualNodes: number;
  /** In the order in which they entered. */
  readonly groups: readonly string[];
}

/** How one ring becomes another, move by move: see `ChangingRing`. */
export interface RingChange extends RingShape {
  /** The version of the ring with which it began. Logs name the change by it. */
  readonly id: number;
  /** The moves that have ended. */
  readonly done: readonly Move[];
  readonly paused: boolean;
  /** At most so many keys a second. Undefined: as fast as possible. */
  readonly rate?: number | undefined;
}

/** What an operator, or a new group, asks of the ring. */
export type RingRequest = (
  | { readonly kind: "add"; readonly group: string }
  | { readonly kind: "drain"; readonly group: string }
  | { readonly kind: "virtual-nodes"; readonly virtualNodes: number }
) & {
  /** As that of the change that it begins. */
  readonly rate?: number | undefined;
};

/** A value with the version of its znode, for a compare-and-set. */
export interface Versioned<T> {
  readonly value: T;
  readonly version: number;
}

export interface NodeView extends Member {
  readonly address: Address;
}

export interface GroupView {
  readonly name: string;
  /** Undefined until its first node has registered, or while its znode is unreadable. */
  readonly state: Versioned<GroupState> | undefined;
  /** The registered nodes, by number. */
  readonly nodes: readonly NodeView[];
}

/** The whole cluster, as one process sees it. Immutable: each change makes a new one. */
export interface Topology {
  /** The cluster's id. Undefined until it is created. */
  readonly cluster: string | undefined;
  /** Undefined until the ring is created. */
  readonly ring: Versioned<RingState> | undefined;
  /** Those that have registered and those of the ring, by name. */
  readonly groups: ReadonlyMap<string, GroupView>;
  /** By number. Number 0 is the master. */
  readonly routers: readonly { readonly number: number; readonly address: Address }[];
  /** When the connection to ZooKeeper was lost, in monotonic milliseconds. Undefined while this is current. */
  readonly staleSinceMs: number | undefined;
}
