import type { Load } from "./load.ts";
import type { Peer } from "./peers/peer.ts";

/** One system, called by one tool, for one workload. */
export interface Side {
  /** As the report names it, e.g. `redis-benchmark`. */
  readonly name: string;
  /** Whose members' CPU time and memory are told. */
  readonly peer: Peer;
  /** Brings the data there and lets servers, clients and their compilers warm up. */
  prepare(seconds: number): Promise<void>;
  /** Brings back, before a round, what the round before has used up. */
  refill?(): Promise<void>;
  measure(seconds: number): Promise<Load>;
}

/** Tools that make a number of calls and not calls for a time: the number comes from the rate seen before. */
export function counted(
  side: Pick<Side, "name" | "peer"> & {
    readonly fill?: () => Promise<void>;
    /** Least number of calls: each connection must have some. */
    readonly callsMin: number;
    readonly run: (calls: number) => Promise<Load>;
  },
): Side {
  let perSecond = 0;
  const { name, peer, fill, callsMin, run } = side;
  return {
    name,
    peer,
    async prepare(seconds) {
      await fill?.();
      for (let calls = callsMin; ; calls *= 4) {
        const load = await run(calls);
        perSecond = (load.operations + load.failures) / load.seconds;
        if (load.seconds > seconds / 2 || load.failures > 0) return;
      }
    },
    async measure(seconds) {
      const load = await run(Math.max(callsMin, Math.ceil(perSecond * seconds)));
      perSecond = (load.operations + load.failures) / load.seconds;
      return load;
    },
  };
}
