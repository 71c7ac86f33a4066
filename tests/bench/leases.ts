import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Client, createClient } from "@connectrpc/connect";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import { createTransports } from "../../src/client/transport/http2.ts";
import { freePorts } from "../support/free-ports.ts";
import { ServerProcess } from "../support/server-process.ts";
import { until } from "../support/until.ts";
import { startZooKeeper } from "../support/zookeeper.ts";
import { CommandLine } from "./command-line.ts";
import { quantile, tableOf } from "./statistics.ts";

const readsPerRound = 1000;
const writesPerRound = 200;

const HELP = `Measures what leases add to the latency of reads and writes.

Usage: npm run bench:leases -- [--rounds N]

  --rounds N  How many rounds of ${readsPerRound} reads and ${writesPerRound} writes each gets, in turns (default 20)

Two groups of two nodes with default settings, one client that makes one call after another. The nodes of one run the
code as it is; those of the other a copy of it in which a primary takes its lease for granted.
`;

const value = "v".repeat(100);

/** Where the copy differs: a primary that looks at no lease, and so answers stale reads. */
const patched = {
  file: "src/cluster/replication/lease.ts",
  from: "get holds(): boolean {\n",
  to: "get holds(): boolean {\n    if (this.#options.settings.leaseMs > 0) return true;\n",
} as const;

interface Variant {
  readonly name: string;
  readonly client: Client<typeof DataService>;
  readonly readsMs: number[];
  readonly writesMs: number[];
}

const commandLine = new CommandLine("bench:leases", HELP);
const rounds = commandLine.count(
  "rounds",
  commandLine.read({ rounds: { type: "string", default: "20" } }).rounds,
);
await run();

async function run(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kvlab-leases-"));
  const zookeeper = await startZooKeeper({ tickTimeMs: 2000 });
  const transports = createTransports();
  const processes: ServerProcess[] = [];
  /** A cluster of one group, in its own part of ZooKeeper. */
  const start = async (name: string, root: string): Promise<Variant> => {
    const ports = await freePorts(3);
    const zooaddr = `${zookeeper.connectString}/${name}`;
    const servers = ports.map((port, index) => {
      const entry = pathToFileURL(join(root, "src", index === 2 ? "router.ts" : "data.ts"));
      const files = {
        dbfile: join(folder, `${name}${index}.db`),
        rbfile: join(folder, `${name}${index}.rb`),
      };
      const env = index === 2 ? { zooaddr } : { zooaddr, name: "zdata1", ...files };
      return new ServerProcess(`${name} ${index}`, entry, port, env);
    });
    processes.push(...servers);
    for (const server of servers) await server.start();
    const client = createClient(DataService, transports.transportTo(servers[0]?.address ?? ""));
    await until(`both nodes of ${name} are in sync`, 30_000, async () => {
      const { standbys } = await client.status({});
      return standbys.length === 1 && standbys.every(({ inSync }) => inSync);
    });
    return { name, client, readsMs: [], writesMs: [] };
  };
  try {
    const root = fileURLToPath(new URL("../..", import.meta.url));
    const variants = [
      await start("with", root),
      await start("without", await copyWithoutLeases(root, folder)),
    ];
    // The first round warms up.
    for (let round = 0; round <= rounds; round++) await measure(variants, round > 0);
    tell(variants);
  } finally {
    await Promise.all(processes.map((server) => server.kill()));
    transports.close();
    await zookeeper.close();
    await rm(folder, { recursive: true, force: true });
  }
  process.exit(0);
}

async function copyWithoutLeases(root: string, folder: string): Promise<string> {
  const copy = join(folder, "copy");
  for (const part of ["src", "gen", "package.json"]) {
    await cp(join(root, part), join(copy, part), { recursive: true });
  }
  await symlink(join(root, "node_modules"), join(copy, "node_modules"));
  const file = join(copy, patched.file);
  const code = await readFile(file, "utf8");
  if (!code.includes(patched.from)) throw new Error(`${patched.file} has no ${patched.from.trim()}`);
  await writeFile(file, code.replace(patched.from, patched.to));
  return copy;
}

/** One call of each variant in turn, so that what else the machine does strikes both alike. */
async function measure(variants: readonly Variant[], isKept: boolean): Promise<void> {
  const time = async (list: number[], call: () => Promise<unknown>) => {
    const begunMs = performance.now();
    await call();
    if (isKept) list.push(performance.now() - begunMs);
  };
  const inTurn = (index: number) => (index % 2 === 0 ? variants : variants.toReversed());
  for (let index = 0; index < writesPerRound; index++) {
    const put = { key: `key-${index}`, value: { case: "text", value } } as const;
    for (const { client, writesMs } of inTurn(index)) await time(writesMs, () => client.put(put));
  }
  for (let index = 0; index < readsPerRound; index++) {
    const get = { key: `key-${index % writesPerRound}` };
    for (const { client, readsMs } of inTurn(index)) await time(readsMs, () => client.get(get));
  }
}

function tell(variants: readonly Variant[]): void {
  for (const what of ["readsMs", "writesMs"] as const) {
    const rows = variants.map((variant) => [
      `${variant.name} leases`,
      ...[0.5, 0.9, 0.99].map((part) => quantile(variant[what], part).toFixed(3)),
    ]);
    const [first, second] = variants.map((variant) => quantile(variant[what], 0.5));
    const percent = (((first ?? 0) / (second ?? 0) - 1) * 100).toFixed(1);
    console.log(
      `\n${what === "readsMs" ? "reads" : "writes"}, ms (medians with leases to without: ${percent} %)`,
    );
    console.log(tableOf(["", "median", "p90", "p99"], rows));
  }
}
