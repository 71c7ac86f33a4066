// Servers that say where they are, and a client that finds one that is well. Start ZooKeeper, then in several terminals:
//
//   npx bun examples/zookeeper/discovery.ts serve 8001
//   npx node examples/zookeeper/discovery.ts serve 8002     (the same on Node.js)
//   npx bun examples/zookeeper/discovery.ts call
//
// A line typed to a server makes it ill or well again. ZK_SERVERS names the ZooKeeper servers, 127.0.0.1:2181 if it is not
// set.

import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { Services, ZooKeeper } from "kvlab/zookeeper";

const servers = process.env.ZK_SERVERS ?? "127.0.0.1:2181";
let current: ZooKeeper | undefined;

/** The session of this process: the next one when the last one is over. */
async function session(): Promise<ZooKeeper> {
  if (current === undefined || current.state === "expired" || current.state === "closed") {
    current = await ZooKeeper.connect({ servers, sessionTimeoutMs: 4000 });
  }
  return current;
}

async function serve(services: Services, port: number): Promise<void> {
  let isWell = true;
  const health = { check: async () => isWell, intervalMs: 200 };
  const registration = await services.register({ name: "web", address: "127.0.0.1", port, health });
  console.log(`serves as ${registration.id}`);
  for await (const _ of createInterface({ input: process.stdin })) {
    isWell = !isWell;
    console.log(isWell ? "well" : "ill");
  }
  await registration.unregister();
}

async function call(services: Services): Promise<void> {
  const view = await services.watch("web");
  for (;;) {
    const instance = view.choose();
    console.log(instance === undefined ? "nobody serves" : `calls ${instance.hostPort}`);
    await sleep(300);
  }
}

const services = new Services(session, "/examples/services");
const [verb, port = "8001"] = process.argv.slice(2);
try {
  if (verb === "serve") await serve(services, Number(port));
  else await call(services);
} finally {
  await current?.close();
}
