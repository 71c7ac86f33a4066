// A tree of znodes in memory, which follows all changes. Start ZooKeeper, then:
//
//   npx bun examples/zookeeper/cache.ts /examples
//   npx node examples/zookeeper/cache.ts /examples      (the same on Node.js)
//
// The other examples make something to see. ZK_SERVERS names the servers, 127.0.0.1:2181 if it is not set.

import process from "node:process";
import { ZnodeCache, ZooKeeper } from "kvlab/zookeeper";

const [path = "/"] = process.argv.slice(2);
const client = await ZooKeeper.connect({ servers: process.env.ZK_SERVERS ?? "127.0.0.1:2181" });
const cache = new ZnodeCache(client, path);
const ended = Promise.withResolvers<void>();
cache.listen((event) => {
  if (event.type === "initialized") console.log(`${cache.size} znodes`);
  else if (event.type === "ended") {
    console.log(event.error.message);
    ended.resolve();
  } else if (event.type === "removed") console.log(`- ${event.path}`);
  else console.log(`${event.type === "added" ? "+" : "~"} ${event.path} ${event.stat.dataLength} bytes`);
});
process.once("SIGINT", () => cache.close());
process.once("SIGTERM", () => cache.close());
try {
  await cache.start();
  await ended.promise;
} finally {
  await client.close();
}
