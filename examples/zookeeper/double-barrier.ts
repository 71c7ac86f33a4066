// Nobody begins before all are there, and nobody goes on before all have ended. Start ZooKeeper, then this in two terminals:
//
//   npx bun examples/zookeeper/double-barrier.ts alice
//   npx node examples/zookeeper/double-barrier.ts bob     (the same on Node.js)
//
// Guarantee: both were there at one moment before either begins. Each leaves when the other one has ended its work, or its
// session is over. A third one would wait for a fourth.
// ZK_SERVERS names the servers, 127.0.0.1:2181 if it is not set.

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { enterDoubleBarrier, ZooKeeper } from "kvlab/zookeeper";

const identifier = process.argv[2] ?? "somebody";
const client = await ZooKeeper.connect({ servers: process.env.ZK_SERVERS ?? "127.0.0.1:2181" });
try {
  console.log(`${identifier} is there`);
  const inside = await enterDoubleBarrier(client, "/examples/double-barrier", { members: 2, identifier });
  console.log(`${identifier} begins`);
  await sleep(Math.random() * 1000);
  console.log(`${identifier} has ended`);
  await inside.leave();
  console.log(`${identifier} goes on`);
} finally {
  await client.close();
}
