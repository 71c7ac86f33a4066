/** The cluster's truth as it stands in ZooKeeper, in types; and its written forms. */

import type { Address } from "../../common/address.ts";
import type { Position } from "../storage/model.ts";

/** One life of a replica's registration. A replica that registers again is the same number, another incarnation. */
export interface Member {
  readonly number: number;
  /** czxid of its ephemeral znode. */
  readonly incarnation: string;
}

/** Whether these are the same life of the same replica. */
export function isSameMember(a: Member, b: Member): boolean {
  return a.number === b.number && a.incarnation === b.incarnation;
}

/** `/data/[name]/state`: the authority over a group. */
export interface GroupState {
  /** Rises by one with every primary. 0: there has been none yet. */
  readonly epoch: number;
  /** Undefined when there is none. */
  readonly primary: Member | undefined;
  /** Those that hold every acknowledged write, the primary among them. */
  readonly inSync: readonly Member[];
}

/**
 * `/data/[name]/logs`: what is known of the logs of a group's replicas, to tell a log that has been put in the place of
 * another. Beside the state, since it changes every few seconds and everybody watches the state.
 */
export interface GroupLogs {
  /** Every in-sync replica has this record: what ends before it is not its log, or an older one. */
  readonly floor: Position;
  /** Store id of each replica by its number, as of its last registration. */
  readonly stores: ReadonlyMap<number, string>;
}

/** `/ring`. */
export interface RingState {
  /** Rises by one with every change. */
  readonly version: number;
  readonly virtualNodes: number;
  /** In the order in which they entered. */
  readonly groups: readonly string[];
  /**
   * Whether a write has ever been accepted. Set, by compare-and-set, before the first one is: from then on no group
   * can enter, since that would move keys.
   */
  readonly written: boolean;
}

/** A value together with the znode version that a compare-and-set on it must name. */
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
  /** Registered now, by number. */
  readonly nodes: readonly NodeView[];
}

/** All of it, as one process sees it. Immutable: each change makes a new one. */
export interface Topology {
  /** The cluster's id; undefined until it is made. */
  readonly cluster: string | undefined;
  /** Undefined until the ring is made. */
  readonly ring: Versioned<RingState> | undefined;
  /** By name. */
  readonly groups: ReadonlyMap<string, GroupView>;
  /** By number; number 0 is the master. */
  readonly routers: readonly { readonly number: number; readonly address: Address }[];
  /** Monotonic milliseconds since which this could not be checked against ZooKeeper; undefined while it is current. */
  readonly staleSinceMs: number | undefined;
}
