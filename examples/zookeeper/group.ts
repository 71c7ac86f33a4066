// Who runs. Start ZooKeeper, then this in several terminals, and end one of them in any way:
//
//   npx bun examples/zookeeper/group.ts alice
//   npx node examples/zookeeper/group.ts bob     (the same on Node.js)
//
// Guarantee: each is listed while its session lives, and once: so one that was killed goes within the session time-out,
// and one that is disconnected for less than that stays.
// ZK_SERVERS names the servers, 127.0.0.1:2181 if it is not set.

import process from "node:process";
import { joinGroup, watchGroup, ZooKeeper } from "kvlab/zookeeper";

const client = await ZooKeeper.connect({
  servers: process.env.ZK_SERVERS ?? "127.0.0.1:2181",
  sessionTimeoutMs: 4000,
});
await joinGroup(client, "/examples/group", { identifier: process.argv[2] ?? "somebody" });
for await (const members of watchGroup(client, "/examples/group")) {
  console.log(`running: ${members.sort().join(", ")}`);
}
