import { type LoadClient, startLoadClient } from "../clients/load-client.ts";
import { loadSuite } from "../load-suite.ts";
import { startKvlab } from "../peers/kvlab.ts";
import type { Peer } from "../peers/peer.ts";
import type { Side } from "../side.ts";
import type { Workload } from "../suite.ts";

/** Of which as many as fit in a round are deleted, and put again before the next. */
const all = { set: 7, keys: 1_000_000, valueBytes: 100, keyChoice: "uniform" } as const;
const deletedPerRound = 50_000;

/** Deletes beside puts, with 1,000,000 keys there. */
export const millionSuite = loadSuite<Workload & { readonly callers: number }>({
  name: "million",
  needs: ["zookeeper"],
  workloads: [32, 128].map((callers) => ({
    name: `million/delete/${callers}/100B`,
    callers,
    compared: "rate",
    pairs: [["delete", "put"]],
  })),
  async open() {
    const kvlab = await startKvlab({ name: "kvlab", runtime: "bun", replicas: 2 });
    const client = startLoadClient("bun", "kvlab", kvlab.router);
    let filled: Promise<void> | undefined;
    const fill = () => {
      filled ??= client.fill(all);
      return filled;
    };
    return {
      peers: [kvlab],
      sidesOf: ({ callers }) => sidesOf(kvlab, client, callers, fill),
      async close() {
        await client.close();
        await kvlab.close();
      },
    };
  },
});

function sidesOf(peer: Peer, client: LoadClient, callers: number, fill: () => Promise<void>): Side[] {
  const sideOf = (work: "put" | "delete"): Side => {
    const keys = work === "delete" ? deletedPerRound : all.keys;
    const refill = () => (work === "delete" ? client.fill({ ...all, keys }) : Promise.resolve());
    const measure = (seconds: number) => client.run({ ...all, work, keys, callers, seconds });
    return {
      name: work,
      peer,
      async prepare(seconds) {
        await fill();
        await refill();
        await measure(seconds);
      },
      refill,
      measure,
    };
  };
  return [sideOf("delete"), sideOf("put")];
}
