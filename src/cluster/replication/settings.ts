/** Times and bounds of replication. All nodes of a group should be given the same. */
export interface ReplicationSettings {
  /**
   * For how long after it sent a message a primary may count on the standby that answered it: within this time it
   * answers reads without asking anybody, and the standby does not take its place. A shorter lease makes a failover
   * shorter, a longer one rides out longer stalls of a standby without delaying reads. Default 500.
   */
  readonly leaseMs: number;
  /**
   * How long an in-sync standby may stay silent before the primary goes on without it; writes wait meanwhile.
   * Shorter than a stall of the disk or of the garbage collector costs copies, longer costs waiting. Default 1000.
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

/** A standby that hears nothing shows its primary's silence after some of these: a fifth leaves room for losses. */
export function heartbeatMs(settings: ReplicationSettings): number {
  return settings.leaseMs / 5;
}

/**
 * After how much silence of its primary an in-sync standby asks to take its place. Longer than the lease, which has to
 * run out anyway; and so long that several heartbeats must have been missed.
 */
export function silenceMs(settings: ReplicationSettings): number {
  return settings.leaseMs * 1.5;
}

/** By how much clocks of two machines may drift apart while a lease runs: far more than crystals do (200 ppm). */
export const clockDriftMax = 0.1;

/** Records sent in one message, about. Small enough that a message never takes long, large enough to fill a link. */
export const batchBytesMax = 256 * 1024;

/** When so many bytes of writes wait for their commit, no more are taken. */
export const pendingBytesMax = 64 * 1024 * 1024;

/** Longest wait for the answer to one message: a batch on a slow disk; a link that swallows messages. */
export const peerTimeoutMs = 5000;
