// Two processes at a time work. Start ZooKeeper, then this in three terminals:
//
//   npx bun examples/zookeeper/semaphore.ts alice
//   npx node examples/zookeeper/semaphore.ts bob     (the same on Node.js)
//
// Guarantee: never more than two have a lease; those who wait get one in the order in which they came. What
// examples/zookeeper/lock.ts says of signals holds here, too.
// ZK_SERVERS names the servers, 127.0.0.1:2181 if it is not set.

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { acquireLease, ZooKeeper } from "kvlab/zookeeper";

const identifier = process.argv[2] ?? "somebody";
const client = await ZooKeeper.connect({ servers: process.env.ZK_SERVERS ?? "127.0.0.1:2181" });
try {
  const lease = await acquireLease(client, "/examples/semaphore", { maxLeases: 2, identifier });
  console.log(`${identifier} has a lease`);
  await sleep(1000, undefined, { signal: lease.signal }).finally(() => lease.release());
  console.log(`${identifier} has given it back`);
} finally {
  await client.close();
}
