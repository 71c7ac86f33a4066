// A queue of jobs that survives its workers. Start ZooKeeper, then this in several terminals:
//
//   npx bun examples/zookeeper/queue.ts put "send the letter"
//   npx node examples/zookeeper/queue.ts work           (the same on Node.js; several of them share the jobs)
//
// Kill a worker with Ctrl-\ while it works: another one gets its job when the session has expired, after 4 seconds. So a
// job may be done twice, and must bear that. ZK_SERVERS names the servers, 127.0.0.1:2181 if it is not set.

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { Queue, ZooKeeper, ZooKeeperError } from "kvlab/zookeeper";

async function work(queue: Queue, signal: AbortSignal): Promise<void> {
  for (;;) {
    const item = await queue.take({ signal });
    const job = new TextDecoder().decode(item.data);
    console.log(`begins: ${job}`);
    // The item's signal tells that the connection is lost: then another worker may get it.
    await sleep(1000, undefined, { signal: AbortSignal.any([signal, item.signal]) }).catch(() => {});
    if (signal.aborted) await item.release();
    else await item.done();
    console.log(`${signal.aborted ? "gives back" : "done"}: ${job}`);
  }
}

const [verb, text = "a job"] = process.argv.slice(2);
const servers = process.env.ZK_SERVERS ?? "127.0.0.1:2181";
const client = await ZooKeeper.connect({ servers, sessionTimeoutMs: 4000 });
const queue = new Queue(client, "/examples/jobs");
const stopping = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stopping.abort());
try {
  if (verb === "put") await queue.put(new TextEncoder().encode(text));
  else await work(queue, stopping.signal);
  console.log(`${await queue.size()} jobs in the queue`);
} catch (error) {
  if (!ZooKeeperError.is(error, "ABORTED")) throw error;
} finally {
  await client.close();
}
