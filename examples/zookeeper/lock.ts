// One process at a time works. Start ZooKeeper, then this in two terminals:
//
//   npx bun examples/zookeeper/lock.ts alice
//   npx node examples/zookeeper/lock.ts bob     (the same on Node.js)
//
// Guarantee: the next one begins when the one before has ended, or when the servers have seen its session expire. One that
// is disconnected is told so before that, by the signal. Only one that was paused learns of it too late: what it writes
// elsewhere is to be refused because of its fencing token, which is less than that of the next one.
// ZK_SERVERS names the servers, 127.0.0.1:2181 if it is not set.

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { acquireLock, ZooKeeper } from "kvlab/zookeeper";

const name = process.argv[2] ?? "somebody";
const client = await ZooKeeper.connect({ servers: process.env.ZK_SERVERS ?? "127.0.0.1:2181" });
try {
  console.log(`${name} waits`);
  const lock = await acquireLock(client, "/examples/lock", { identifier: name });
  try {
    console.log(`${name} has the lock, with token ${lock.fencingToken}`);
    for (let step = 1; step <= 3; step++) {
      await sleep(300, undefined, { signal: lock.signal });
      console.log(`${name} has done step ${step}`);
    }
  } finally {
    await lock.release();
  }
  console.log(`${name} has given it back`);
} finally {
  await client.close();
}
