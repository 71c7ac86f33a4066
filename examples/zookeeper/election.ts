// One process leads, and all know who. Start ZooKeeper, then this in two terminals, and end the leader with Ctrl-C:
//
//   npx bun examples/zookeeper/election.ts alice
//   npx node examples/zookeeper/election.ts bob     (the same on Node.js)
//
// Guarantee: nobody is elected before the leader has ended, or the servers have seen its session expire. A leader that is
// disconnected is told so before that. Who watches learns of each leader that lasts.
// ZK_SERVERS names the servers, 127.0.0.1:2181 if it is not set.

import { once } from "node:events";
import process from "node:process";
import { campaign, type Held, watchLeader, ZooKeeper, ZooKeeperError } from "kvlab/zookeeper";

const path = "/examples/election";
const identifier = process.argv[2] ?? "somebody";
const stopping = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stopping.abort());
const { signal } = stopping;

/** Leads until it is told to stop, or may not lead any more. */
async function lead({ fencingToken, signal: leading }: Held): Promise<void> {
  console.log(`${identifier} leads, with token ${fencingToken}`);
  const over = AbortSignal.any([leading, signal]);
  if (!over.aborted) await once(over, "abort");
  console.log(`${identifier} leads no more`);
}

async function sayWhoLeads(): Promise<void> {
  for await (const leader of watchLeader(client, path, { signal })) {
    console.log(`the leader is ${leader?.identifier ?? "nobody"}`);
  }
}

async function untilStopped(work: Promise<void>): Promise<void> {
  await work.catch((error) => {
    if (!ZooKeeperError.is(error, "ABORTED")) throw error;
  });
}

const client = await ZooKeeper.connect({ servers: process.env.ZK_SERVERS ?? "127.0.0.1:2181" });
try {
  const campaigning = async () => {
    while (!signal.aborted) await campaign(client, path, lead, { identifier, signal });
  };
  await Promise.all([untilStopped(sayWhoLeads()), untilStopped(campaigning())]);
} finally {
  await client.close();
}
