/** Times and limits of replication. All nodes of a group should have the same. */
export interface ReplicationSettings {
  /**
   * Lease that a standby gives by its answer, from the time when the message was sent. Within it the primary answers
   * reads without asking anybody, and the standby does not take its place. A shorter lease makes a failover shorter; a
   * longer one tolerates longer stalls of a standby without delaying reads. Default 500.
   */
  readonly leaseMs: number;
  /**
   * How long an in-sync standby may be silent before the primary goes on without it; writes wait meanwhile. A time
   * shorter than a stall of a disk or of the garbage collector costs replicas, a longer one costs waiting. Default 1000.
   */
  readonly standbyTimeoutMs: number;
  /** Least number of in-sync members, the primary included, with which a write is acknowledged. Default 1. */
  readonly minSync: number;
}

export const defaultReplicationSettings: ReplicationSettings = {
  leaseMs: 500,
  standbyTimeoutMs: 1000,
  minSync: 1,
};

/** Time between two heartbeats. Several must be lost before a standby reports its primary as silent. */
export function heartbeatMs(settings: ReplicationSettings): number {
  return settings.leaseMs / 5;
}

/**
 * Silence of its primary after which an in-sync standby reports it. It is longer than the lease, which must run out anyway,
 * and than several heartbeats.
 */
export function silenceMs(settings: ReplicationSettings): number {
  return settings.leaseMs * 1.5;
}

/**
 * How long a primary may take to connect again after its connection to an in-sync standby broke, before the standby
 * reports it. A failover takes no longer for that: most of the lease that the standby has given is left, and must be
 * waited for.
 */
export function brokenMs(settings: ReplicationSettings): number {
  return settings.leaseMs / 2;
}

/** Part of a lease by which the clocks of two machines may drift apart meanwhile: far more than crystals do (200 ppm). */
export const clockDriftMax = 0.1;

/** Bytes of records in one message, about: few enough for a message to be quick, enough to fill a link. */
export const batchBytesMax = 256 * 1024;

/** Messages on the way to a standby, and bytes of their records, from which on the next one waits for an answer. */
export const flightMessagesMax = 32;
export const flightBytesMax = 4 * 1024 * 1024;

/** No write is admitted while so many bytes of writes wait for their commit: some 95,000 short ones. */
export const pendingBytesMax = 64 * 1024 * 1024;

/** Longest wait for the answer to one message: a batch on a slow disk; a link that swallows messages. */
export const peerTimeoutMs = 5000;
