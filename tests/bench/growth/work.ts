import { progress } from "../../support/progress.ts";
import { type LoadClient, startLoadClient } from "../clients/load-client.ts";
import type { Round } from "../load.ts";
import { measureLoad } from "../measure.ts";
import type { GrowthStore } from "./store.ts";

/** Puts come last: they alone change a log. */
export const works = ["get", "scan", "put"] as const;
export type GrowthWork = (typeof works)[number];

/** As the log is written by opening-program.ts. */
export const keySet = { set: 1, valueBytes: 100 } as const;

export interface GrowthClient {
  readonly store: GrowthStore;
  readonly client: LoadClient;
}

export function startClient(store: GrowthStore): GrowthClient {
  return { store, client: startLoadClient("bun", "kvlab", store.router) };
}

/** All rounds of one work, by the name of the store. */
export async function measureWork(
  work: GrowthWork,
  clients: readonly GrowthClient[],
  options: { readonly rounds: number; readonly seconds: number },
): Promise<ReadonlyMap<string, readonly Round[]>> {
  const sides = clients.map(({ store, client }) => {
    const order = { ...keySet, keys: store.keys, work, keyChoice: "uniform", callers: 128 } as const;
    const measure = (seconds: number) => client.run({ ...order, seconds });
    return {
      name: store.name,
      peer: store,
      prepare: async (seconds: number) => void (await measure(seconds)),
      measure,
    };
  });
  const workload = { name: work, compared: "rate", pairs: [] } as const;
  const measured = await measureLoad(workload, sides, { ...options, progress, version: () => {} });
  for (const [name, rounds] of measured.sides) {
    const failure = rounds.find(({ failures }) => failures > 0)?.failure;
    if (failure !== undefined) throw new Error(`${name}: a ${work} failed: ${failure}`);
  }
  return measured.sides;
}
