import { startLoadClient } from "../clients/load-client.ts";
import { loadSuite, startAll } from "../load-suite.ts";
import { type Kvlab, startKvlab } from "../peers/kvlab.ts";
import { sizes } from "../sizes.ts";
import type { Workload } from "../suite.ts";

interface GroupsWorkload extends Workload {
  readonly work: "put" | "get";
}

const counts = [1, 2, 4] as const;
const callers = 128;
const nameOf = (groups: number) => (groups === 1 ? "1 group" : `${groups} groups`);

/** What more groups on the same machine bring. */
export const groupsSuite = loadSuite<GroupsWorkload>({
  name: "groups",
  needs: ["zookeeper"],
  workloads: (["put", "get"] as const).map((work) => ({
    name: `groups/${work}/${callers}/100B`,
    work,
    compared: "rate",
    pairs: counts.slice(1).map((groups) => [nameOf(groups), nameOf(1)] as const),
  })),
  async open() {
    const { peers, close } = await startAll<Kvlab>(
      counts.map((groups) => () => startKvlab({ name: nameOf(groups), runtime: "bun", replicas: 2, groups })),
    );
    const clients = peers.map((peer) => ({ peer, client: startLoadClient("bun", "kvlab", peer.router) }));
    const filled = new Set<string>();
    return {
      peers,
      sidesOf: ({ work }) =>
        clients.map(({ peer, client }) => {
          const order = { ...sizes["100B"], work, keyChoice: "uniform", callers } as const;
          return {
            name: peer.name,
            peer,
            async prepare(seconds) {
              if (!filled.has(peer.name)) await client.fill(sizes["100B"]);
              filled.add(peer.name);
              await client.run({ ...order, seconds });
            },
            measure: (seconds) => client.run({ ...order, seconds }),
          };
        }),
      async close() {
        for (const { client } of clients) await client.close();
        await close();
      },
    };
  },
});
