import type { Address } from "../../common/address.ts";
import type { Member } from "../metadata/model.ts";
import type { EpochStart, LogRecord, Position } from "../storage/model.ts";
import type { SnapshotHead } from "../storage/replica-log.ts";

/** What one node asks of another. `src/rpc` implements it over the network; the simulation replaces it. */
export interface Peer {
  /** See AppendRequest in proto/kvlab/internal/v1. Rejects when the peer cannot be reached or refuses to answer. */
  append(request: AppendRequest, signal: AbortSignal): Promise<AppendResponse>;
  /** How many keys of the peer's group a ring of these groups would place elsewhere. */
  countMisplaced(request: CountMisplacedRequest, signal: AbortSignal): Promise<number>;
  /** Has a primary transfer its leadership to an in-sync standby. Returns the new epoch. */
  transferLeadership(request: TransferRequest, signal: AbortSignal): Promise<number>;
  /** Where a replica's log ends on disk; undefined when it is damaged. */
  position(request: PositionRequest, signal: AbortSignal): Promise<Position | undefined>;
  /**
   * Tells the master that a primary is silent; whether the reporter has become primary in its place. Rejects when the
   * peer is not the master.
   */
  reportSilence(report: SilenceReport, signal: AbortSignal): Promise<boolean>;
}

/** The peer that is reached at an address. */
export type PeerAt = (address: Address) => Peer;

/** What every request says. */
export interface PeerRequest {
  /** Id of the caller's cluster; set by `withinCluster`, and by no node of an earlier version. */
  readonly cluster?: string;
}

/** Has every call name the cluster that it is of. */
export function withinCluster(peerAt: PeerAt, cluster: () => string | undefined): PeerAt {
  return (address) => {
    const peer = peerAt(address);
    const named = <T extends PeerRequest>(request: T): T => ({ ...request, cluster: cluster() ?? "" });
    return {
      append: (request, signal) => peer.append(named(request), signal),
      countMisplaced: (request, signal) => peer.countMisplaced(named(request), signal),
      transferLeadership: (request, signal) => peer.transferLeadership(named(request), signal),
      position: (request, signal) => peer.position(named(request), signal),
      reportSilence: (report, signal) => peer.reportSilence(named(report), signal),
    };
  };
}

export interface TransferRequest extends PeerRequest {
  readonly group: string;
  readonly number: number;
}

export interface PositionRequest extends PeerRequest {
  readonly group: string;
}

export interface AppendRequest extends PeerRequest {
  readonly group: string;
  /** The primary's epoch. */
  readonly epoch: number;
  /** Number of the primary. */
  readonly primary: number;
  /** The standby that is meant. */
  readonly target: number;
  readonly incarnation: string;
  /** Position of the record before the first of `records`. */
  readonly previous: Position;
  /** In order; none in a heartbeat. */
  readonly records: readonly LogRecord[];
  readonly committedSeq: number;
  /** Set when `records` are part of a snapshot. */
  readonly snapshot?: SnapshotChunk;
  /** For how long from the sending the primary may rely on the answer: the standby serves no sooner as primary. */
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
   * `mismatch`: the standby's log does not continue from `previous`; the other fields say what it holds. `full`: there
   * is no room on its disk for what was sent, which has left no trace.
   */
  readonly result: "ok" | "stale-epoch" | "mismatch" | "full";
  /** Highest epoch that the standby knows of. */
  readonly epoch: number;
  /** Its last record on disk. */
  readonly last: Position;
  readonly base: Position;
  readonly epochs: readonly EpochStart[];
  /** With `mismatch`: the log is damaged, and only a snapshot can repair it. */
  readonly needsSnapshot: boolean;
}

export interface CountMisplacedRequest extends PeerRequest {
  readonly group: string;
  readonly ringGroups: readonly string[];
  readonly virtualNodes: number;
}

/** An in-sync standby hears nothing of the primary of this epoch, and does not answer it any more. */
export interface SilenceReport extends PeerRequest {
  readonly group: string;
  readonly epoch: number;
  readonly reporter: Member;
}
