import type { ZooKeeper } from "../../../src/zookeeper/index.ts";
import { until } from "../../support/until.ts";
import type { NemesisClient } from "./client.ts";

/** One round of a workload. */
export interface Round {
  /** A path of this round alone. */
  readonly path: string;
  readonly clients: readonly NemesisClient[];
  /** A session that no fault touches, but for those of members. */
  readonly observer: ZooKeeper;
  /** From 0 (included) to 1 (excluded). */
  readonly random: () => number;
  /** Aborted when the round takes too long. */
  readonly signal: AbortSignal;
}

/** What clients do with a recipe while faults happen, and what must then be true. A broken promise is a thrown error. */
export interface Workload {
  readonly name: string;
  /** Uses the recipe. It has to end, whatever happens, soon after all is healed. */
  run(round: Round): Promise<void>;
  /** Looks when all has ended and is healed. */
  check(round: Round): Promise<void>;
}

/** Waits until a znode of the round has no children, or is not there: those of sessions that are lost go a little later. */
export async function leavesNothing({ observer }: Round, path: string): Promise<void> {
  let left: readonly string[] = [];
  await until(`nothing is left at ${path}`, 20_000, async () => {
    await observer.sync("/");
    if ((await observer.exists(path)) === undefined) return true;
    left = (await observer.children(path)).children;
    return left.length === 0;
  }).catch((error) => {
    throw new Error(`${error.message}: ${left.join(", ")}`);
  });
}

/** Each client does something several times, next to the others; again when its session is over before it was done. */
export async function inTurns(
  { clients }: Round,
  times: number,
  work: (session: ZooKeeper, client: NemesisClient) => Promise<void>,
): Promise<void> {
  await Promise.all(
    clients.map(async (client) => {
      for (let time = 0; time < times; time++) await client.perform((session) => work(session, client));
    }),
  );
}
