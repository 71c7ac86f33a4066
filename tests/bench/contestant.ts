/** A cluster of three replicas under test. */
export interface Contestant {
  readonly name: string;
  /** Rejects when it was not acknowledged in time. */
  put(key: string, value: string, timeoutMs: number): Promise<void>;
  /** kill -9 of the replica that leads. Resolves when the process has gone, with when it was killed. */
  killLeader(): Promise<number>;
  /** Starts what was killed, and resolves when all three replicas take part again. */
  restore(): Promise<void>;
  close(): Promise<void>;
}
