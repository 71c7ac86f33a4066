import type { Address } from "../../common/address.ts";
import type { Member } from "../metadata/model.ts";
import type { EpochStart, LogRecord, Position } from "../storage/model.ts";
import type { SnapshotHead } from "../storage/replica-log.ts";

/** The calls from one node to another. `src/rpc` implements them over the network. The simulation replaces them. */
export interface Peer {
  /** Opens a stream of messages to a standby. `onEnd` is called once, when the stream ends before it is closed. */
  replicate(onEnd: (reason: unknown) => void): ReplicationStream;
  /** Counts the keys of the peer's group by the group that another ring would assign them to. */
  countMisplaced(request: CountMisplacedRequest, signal: AbortSignal): Promise<MisplacedKeys>;
  /** Asks a primary to transfer its leadership to an in-sync standby. Returns the new epoch. */
  transferLeadership(request: TransferRequest, signal: AbortSignal): Promise<number>;
  /** Returns where a replica's log ends on disk. Undefined when it is damaged. Rejects when it is another replica's. */
  position(request: PositionRequest, signal: AbortSignal): Promise<Position | undefined>;
  /**
   * Reports to the master that a primary is silent. Returns whether the reporter has replaced it. Rejects when the peer
   * is not the master.
   */
  reportSilence(report: SilenceReport, signal: AbortSignal): Promise<boolean>;
  /** Asks the primary of a move's destination to carry it out. Resolves when `/ring` has the move as done. */
  moveIn(request: MoveInRequest, signal: AbortSignal): Promise<void>;
  /** Asks the primary of a move's source for the next step. */
  moveOut(request: MoveOutRequest, signal: AbortSignal): Promise<MoveOutAnswer>;
}

/** See Replicate in proto/kvlab/internal/v1. */
export interface ReplicationStream {
  /**
   * Sends a message, after those before it. Resolves with its answer. Rejects when the stream ends first, for example
   * because the standby refuses this message or one before it.
   */
  append(request: AppendRequest): Promise<AppendResponse>;
  /** Ends the stream. */
  close(): void;
}

/** The other end of a `ReplicationStream`. */
export interface IncomingStream {
  /**
   * Handles a message of a primary. The next one may be handed over before this one is answered. Rejects when the message
   * is refused, or when the disk fails.
   */
  append(request: AppendRequest): Promise<AppendResponse>;
  /** The stream has ended. */
  ended(): void;
}

/** Returns the peer at an address. */
export type PeerAt = (address: Address) => Peer;

/** The fields of every request. */
export interface PeerRequest {
  /** Id of the caller's cluster, set by `withinCluster`. Absent in requests of earlier versions. */
  readonly cluster?: string;
}

/** Adds the cluster's id to every call. */
export function withinCluster(peerAt: PeerAt, cluster: () => string | undefined): PeerAt {
  return (address) => {
    const peer = peerAt(address);
    const named = <T extends PeerRequest>(request: T): T => ({ ...request, cluster: cluster() ?? "" });
    return {
      replicate: (onEnd) => {
        const stream = peer.replicate(onEnd);
        return { append: (request) => stream.append(named(request)), close: () => stream.close() };
      },
      countMisplaced: (request, signal) => peer.countMisplaced(named(request), signal),
      transferLeadership: (request, signal) => peer.transferLeadership(named(request), signal),
      position: (request, signal) => peer.position(named(request), signal),
      reportSilence: (report, signal) => peer.reportSilence(named(report), signal),
      moveIn: (request, signal) => peer.moveIn(named(request), signal),
      moveOut: (request, signal) => peer.moveOut(named(request), signal),
    };
  };
}

export interface TransferRequest extends PeerRequest {
  readonly group: string;
  readonly number: number;
}

/** To one incarnation of a replica: another process may be at its address by now, with another log. */
export interface PositionRequest extends PeerRequest {
  readonly group: string;
  /** Absent, or 0, in requests of earlier versions. */
  readonly number?: number;
  readonly incarnation?: string;
}

export interface AppendRequest extends PeerRequest {
  readonly group: string;
  /** The primary's epoch. */
  readonly epoch: number;
  /** Number of the primary. */
  readonly primary: number;
  /** The standby that the request is for. */
  readonly target: number;
  readonly incarnation: string;
  /** Position of the record before the first of `records`. */
  readonly previous: Position;
  /** In order. None in a heartbeat. */
  readonly records: readonly LogRecord[];
  readonly committedSeq: number;
  /** Set when `records` are part of a snapshot. */
  readonly snapshot?: SnapshotChunk;
  /** Length of the lease that the answer grants, from the sending. Until its end the standby does not serve as primary. */
  readonly leaseMs: number;
}

export interface SnapshotChunk extends SnapshotHead {
  /** The same in all chunks of a snapshot. */
  readonly snapshotId: number;
  /** From 0. */
  readonly index: number;
  readonly last: boolean;
}

export interface AppendResponse {
  /**
   * `mismatch`: the standby does not have the record at `previous`. The other fields describe its log. `full`: its disk
   * is full, and nothing was written.
   */
  readonly result: "ok" | "stale-epoch" | "mismatch" | "full";
  /** Highest epoch that the standby knows of. */
  readonly epoch: number;
  /** Its last record on disk. */
  readonly last: Position;
  readonly base: Position;
  /** Those of its log. None with `ok`. */
  readonly epochs: readonly EpochStart[];
  /** With `mismatch`: the log is damaged, and only a snapshot can repair it. */
  readonly needsSnapshot: boolean;
}

export interface CountMisplacedRequest extends PeerRequest {
  readonly group: string;
  readonly ringGroups: readonly string[];
  readonly virtualNodes: number;
}

export interface MisplacedKeys {
  /** Keys that the other ring would assign to other groups. */
  readonly keys: number;
  /** All keys, by the group that the other ring would assign them to. Empty when the peer runs an earlier version. */
  readonly groups: readonly AssignedKeys[];
}

/** Keys that a ring assigns to a group. */
export interface AssignedKeys {
  readonly group: string;
  readonly keys: number;
  /** That they and their values take in the log. */
  readonly bytes: number;
}

/** An in-sync standby no longer hears from the primary of this epoch, and no longer answers it. */
export interface SilenceReport extends PeerRequest {
  readonly group: string;
  readonly epoch: number;
  readonly reporter: Member;
}

/** A move of keys to the peer's group: see docs/ring.md. */
export interface MoveInRequest extends PeerRequest {
  /** The group that gets the keys. */
  readonly group: string;
  /** The group that has them. */
  readonly from: string;
  /** Id of the ring change. */
  readonly change: number;
}

/** A step of a move of keys out of the peer's group. */
export interface MoveOutRequest extends PeerRequest {
  /** The group that has the keys. */
  readonly group: string;
  /** The group that gets them. */
  readonly to: string;
  /** Id of the ring change. */
  readonly change: number;
  /** Names the attempt: the peer takes steps of the last one that has begun only. */
  readonly attempt: string;
  readonly step: MoveStep;
}

export type MoveStep =
  /** Begins an attempt, and ends the one before. */
  | { readonly kind: "begin" }
  /** Asks for the chunk of this number, from 0. The last one can be asked for again. */
  | { readonly kind: "next"; readonly index: number }
  /** No write of these keys is taken any more, until the attempt ends. */
  | { readonly kind: "seal" }
  /** The keys are given up for good. */
  | { readonly kind: "release" };

/** What is set follows from the step. */
export interface MoveOutAnswer {
  /** Of `begin`: the keys were given up already. */
  readonly released?: boolean | undefined;
  /** Of `begin`: about how many keys are to be copied. */
  readonly keys?: number | undefined;
  /** Of `next`. */
  readonly chunk?: MoveChunk | undefined;
}

/** A part of what a move copies. */
export interface MoveChunk {
  /** Copies, in their order: `move.revision` is the source's. `epoch` and `seq` say nothing. */
  readonly records: readonly LogRecord[];
  /** About how many records of the source's log are still to be looked through; long ones count more. Undefined: not known yet. */
  readonly behind?: number | undefined;
  /** Set in the last chunk, after the seal. */
  readonly end?: MoveEnd | undefined;
}

/** Where the source stood when it took no more writes. */
export interface MoveEnd {
  /** No record of a key that moves has a higher one. */
  readonly revision: number;
  /** See `KeyView.requestsAfter`: the chunks have all requests after it. */
  readonly requestsAfter: number;
}
