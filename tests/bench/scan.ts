import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { KvClient } from "../../src/client/index.ts";
import { defaultReplicationSettings } from "../../src/cluster/replication/settings.ts";
import { systemClock } from "../../src/common/clock.ts";
import { defaultValueBytesMax } from "../../src/common/key-limits.ts";
import { EmbeddedCoordination } from "../../src/coordination/embedded/service.ts";
import { startDataServer } from "../../src/server/data-server.ts";
import { startRouterServer } from "../../src/server/router-server.ts";
import { CommandLine } from "./command-line.ts";
import { quantile, tableOf } from "./statistics.ts";

const HELP = `Measures what a scan costs among many keys, against the same scan among few.

Usage: npm run bench:scan -- [--rounds N]

  --rounds N  How many scans each gets, in turns (default 300)

Two clusters of one data node and one router in this process, which differ in nothing but how many keys they hold. Each
scan begins at a key of its own and is of 100 keys with values of 100 bytes, through the client.
`;

const sizes = [10_000, 1_000_000] as const;
const scanned = 100;

const commandLine = new CommandLine("bench:scan", HELP);
const rounds = commandLine.count(
  "rounds",
  commandLine.read({ rounds: { type: "string", default: "300" } }).rounds,
);
await run();

async function run(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kvlab-scan-"));
  const stores = [];
  for (const keys of sizes) stores.push({ keys, ms: [] as number[], ...(await start(folder, keys)) });
  for (let round = 0; round < rounds; round++) {
    for (const { keys, ms, client } of stores) {
      // The same keys are never read twice, so that none is more in memory than another.
      const start = keyOf(Math.floor(((round * 0.618_034) % 1) * (keys - scanned)));
      const begun = performance.now();
      let found = 0;
      for await (const _ of client.scan({ start, limit: scanned })) found++;
      if (round >= 20 || round >= rounds / 2) ms.push(performance.now() - begun);
      if (found !== scanned) throw new Error(`${found} of ${scanned} keys were found after ${start}`);
    }
  }
  const median = (ms: readonly number[]) => quantile(ms, 0.5);
  const rows = stores.map(({ keys, ms }) => [
    `of ${keys} keys`,
    ...[0.5, 0.9].map((part) => quantile(ms, part).toFixed(2)),
  ]);
  console.log(`ms for a scan of ${scanned} keys, ${rounds} times each:`);
  console.log(tableOf(["", "median", "p90"], rows));
  const [few, many] = stores.map(({ ms }) => median(ms));
  console.log(`among many it costs ${((many ?? 0) / (few ?? 0)).toFixed(2)} times as much as among few`);
  for (const { stop } of stores) await stop();
  await rm(folder, { recursive: true });
}

/** A cluster with this many keys. */
async function start(folder: string, keys: number) {
  const dbfile = join(folder, `${keys}.txt`);
  await writeKeys(dbfile, keys);
  const coordination = await EmbeddedCoordination.start({ clock: systemClock });
  const common = {
    host: "127.0.0.1",
    port: 0,
    openSession: coordination.opener(),
    access: "open",
    clock: systemClock,
    valueBytesMax: defaultValueBytesMax,
    log: () => {},
  } as const;
  const node = await startDataServer({
    ...common,
    group: "g",
    dbfile,
    rbfile: `${dbfile}.rb`,
    replication: defaultReplicationSettings,
  });
  const router = await startRouterServer({ ...common, virtualNodes: 2 });
  await Promise.all([node.joined, router.joined]);
  const client = new KvClient({ routers: router.address, deadlineMs: 60_000 });
  await client.get("");
  return {
    client,
    async stop() {
      client.close();
      await Promise.all([node.stop(), router.stop()]);
      await coordination.close();
    },
  };
}

function keyOf(index: number): string {
  return `key-${String(index).padStart(8, "0")}`;
}

/** A log of the original program, whose form is the simplest, with the keys in an order of chance. */
async function writeKeys(dbfile: string, keys: number): Promise<void> {
  const file = createWriteStream(dbfile);
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const value = base64("v".repeat(100));
  // Prime, and so a walk through all keys.
  const step = 611_953;
  for (let at = 0; at < keys; at += 1000) {
    let lines = "";
    for (let index = at; index < Math.min(keys, at + 1000); index++) {
      lines += `${base64(keyOf((index * step) % keys))}\n${value}\n#\n`;
    }
    if (!file.write(lines)) await once(file, "drain");
  }
  file.end();
  await finished(file);
}
