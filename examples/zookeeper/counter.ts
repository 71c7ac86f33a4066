// A number that several processes add to. Start ZooKeeper, then this in several terminals:
//
//   npx bun examples/zookeeper/counter.ts
//   npx node examples/zookeeper/counter.ts     (the same on Node.js)
//
// Guarantee: each addition is made once, also when its answer is lost. Only when the session ends just then, the error
// has `maybeApplied`.
// ZK_SERVERS names the servers, 127.0.0.1:2181 if it is not set.

import process from "node:process";
import { Counter, ZooKeeper } from "kvlab/zookeeper";

const client = await ZooKeeper.connect({ servers: process.env.ZK_SERVERS ?? "127.0.0.1:2181" });
try {
  const counter = new Counter(client, "/examples/counter");
  for (let i = 0; i < 10; i++) console.log(`now it is ${await counter.add(1)}`);
} finally {
  await client.close();
}
