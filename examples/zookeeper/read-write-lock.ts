// Readers together, a writer alone. Start ZooKeeper, then this in several terminals:
//
//   npx bun examples/zookeeper/read-write-lock.ts read
//   npx node examples/zookeeper/read-write-lock.ts write     (the same on Node.js)
//
// Guarantee: while one has the write lock, nobody else has a lock; all get theirs in the order in which they came. What
// examples/zookeeper/lock.ts says of signals and tokens holds for both sides.
// ZK_SERVERS names the servers, 127.0.0.1:2181 if it is not set.

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { acquireReadLock, acquireWriteLock, ZooKeeper } from "kvlab/zookeeper";

const way = process.argv[2] === "write" ? "write" : "read";
const acquire = way === "write" ? acquireWriteLock : acquireReadLock;
const client = await ZooKeeper.connect({ servers: process.env.ZK_SERVERS ?? "127.0.0.1:2181" });
try {
  const lock = await acquire(client, "/examples/read-write-lock");
  console.log(`has the ${way} lock`);
  await sleep(1000, undefined, { signal: lock.signal }).finally(() => lock.release());
  console.log(`has given the ${way} lock back`);
} finally {
  await client.close();
}
