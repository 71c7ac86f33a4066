// Nobody begins while somebody prepares. Start ZooKeeper, then this in two terminals:
//
//   npx bun examples/zookeeper/barrier.ts prepare
//   npx node examples/zookeeper/barrier.ts work     (the same on Node.js; as many as you like)
//
// Guarantee: who comes while the barrier is up waits until it is lifted. It is a persistent znode: when its maker dies, it
// stays up, and `npx bun examples/zookeeper/barrier.ts prepare` puts it up and lifts it again.
// ZK_SERVERS names the servers, 127.0.0.1:2181 if it is not set.

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { liftBarrier, passBarrier, raiseBarrier, ZooKeeper } from "kvlab/zookeeper";

const path = "/examples/barrier";
const client = await ZooKeeper.connect({ servers: process.env.ZK_SERVERS ?? "127.0.0.1:2181" });
try {
  if (process.argv[2] === "prepare") {
    await raiseBarrier(client, path);
    console.log("the barrier is up");
    await sleep(2000);
    await liftBarrier(client, path);
    console.log("the barrier is lifted");
  } else {
    console.log("waits for the barrier");
    await passBarrier(client, path);
    console.log("has passed");
  }
} finally {
  await client.close();
}
