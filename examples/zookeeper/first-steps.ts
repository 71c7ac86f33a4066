// A configuration that all processes see, and who of them runs. Start ZooKeeper, then this in two terminals:
//
//   npx bun examples/zookeeper/first-steps.ts alice
//   npx node examples/zookeeper/first-steps.ts bob     (the same on Node.js)
//
// Each says what the configuration is now, and who comes and goes. A line that is typed becomes the configuration.
// ZK_SERVERS names the servers, 127.0.0.1:2181 if it is not set.

import process from "node:process";
import { createInterface } from "node:readline";
import { ZooKeeper, ZooKeeperError } from "kvlab/zookeeper";

async function main(client: ZooKeeper, name: string): Promise<void> {
  // The root of all these paths, too: a chroot is not created by itself.
  await client.createAll("/running");
  // An ephemeral znode goes with the session, however the process ends.
  await client.create(`/running/${name}`, undefined, { mode: "ephemeral" });
  await showWhoRuns(client);

  // A persistent watch goes on over reconnects. When it may have missed something it is told so, and we read again, too.
  const show = () => void showConfiguration(client).catch(complain);
  await client.addWatch("/configuration", { mode: "persistent" }, show);
  await showConfiguration(client);

  client.onState((state) => console.log(state));
  for await (const line of createInterface({ input: process.stdin })) await configure(client, line);
}

async function showWhoRuns(client: ZooKeeper): Promise<void> {
  // The read sets the watch of the next change, so that none is missed in between.
  const watch = () => void showWhoRuns(client).catch(complain);
  const { children } = await client.children("/running", { watch });
  console.log(`running: ${children.toSorted().join(", ")}`);
}

async function showConfiguration(client: ZooKeeper): Promise<void> {
  try {
    const { data, stat } = await client.get("/configuration");
    console.log(`version ${stat.version}: ${new TextDecoder().decode(data)}`);
  } catch (error) {
    if (!ZooKeeperError.is(error, "NO_NODE")) throw error;
  }
}

async function configure(client: ZooKeeper, text: string): Promise<void> {
  const data = new TextEncoder().encode(text);
  try {
    await client.create("/configuration", data);
  } catch (error) {
    if (!ZooKeeperError.is(error, "NODE_EXISTS")) throw error;
    await client.set("/configuration", data);
  }
}

function complain(error: unknown): void {
  // The last watch is told that the session has ended.
  if (!ZooKeeperError.is(error, "CLOSED")) console.error(String(error));
}

const servers = process.env.ZK_SERVERS ?? "127.0.0.1:2181";
const client = await ZooKeeper.connect({
  servers: `${servers}/first-steps`,
  onDiagnostic: (message) => console.error(message),
});
try {
  await main(client, process.argv[2] ?? "somebody");
} finally {
  await client.close();
}
