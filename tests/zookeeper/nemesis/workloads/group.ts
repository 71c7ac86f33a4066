import { groupMembers, joinGroup } from "../../../../src/zookeeper/index.ts";
import { until } from "../../../support/until.ts";
import { pause } from "../faults.ts";
import { leavesNothing, type Workload } from "../workload.ts";

/** In the end the list has those whose signal is not aborted, and nobody else; who has left is gone. */
export const groupWorkload: Workload = {
  name: "group",
  async run({ path, clients, observer, random, signal }) {
    const memberships = await Promise.all(
      clients.map((client) =>
        client.perform((session) => joinGroup(session, path, { identifier: client.name, signal })),
      ),
    );
    await pause(random() * 60);
    await until("the list has those who are members", 30_000, async () => {
      await observer.sync("/");
      const listed = (await groupMembers(observer, path, { signal })).sort();
      const live = clients.filter((_, index) => memberships[index]?.signal.aborted === false);
      return listed.join() === live.map(({ name }) => name).join();
    });
    await Promise.all(memberships.map((membership) => membership.release({ signal })));
  },
  check: (round) => leavesNothing(round, round.path),
};
