import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { indexPaths } from "../../../src/cluster/storage/index-file/contents.ts";
import { progress } from "../../support/progress.ts";
import { until } from "../../support/until.ts";
import { sizeOfLog } from "../log-size.ts";
import { type Kvlab, type KvlabNode, patienceMs, startKvlab } from "../peers/kvlab.ts";
import type { Server } from "../peers/server.ts";
import { programOf } from "../runtimes.ts";
import { runTool } from "../tools/run-tool.ts";
import { momentOf } from "./moment.ts";

const logProgram = fileURLToPath(new URL("../suites/opening-program.ts", import.meta.url));

export interface GrowthStore extends Kvlab {
  readonly keys: number;
  /** Of the primary's log, when nothing was overwritten yet. */
  readonly logBytes: number;
  /** From the start of the process until its log is open and its port listens. */
  readonly openingSeconds: { readonly log: number; readonly index: number };
  /** From when the empty standby was registered until it was in sync. */
  readonly catchUpSeconds: number;
}

/** Starts a store with so many keys, and times how its first node opens the log and how its second one gets it. */
export async function startStore(keys: number): Promise<GrowthStore> {
  const name = `${keys} keys`;
  const openingSeconds = { log: Number.NaN, index: Number.NaN };
  progress(`${name}: a node starts`);
  const kvlab = await startKvlab({
    runtime: "bun",
    replicas: 2,
    name,
    async alone(first) {
      const { server, dbfile } = first;
      await stop(server);
      progress(`${name}: the log is written`);
      await runTool(programOf("bun"), [logProgram, "spread", dbfile, `${keys}`]);
      const { path: index } = indexPaths(dbfile);
      await rm(index, { force: true });
      progress(`${name}: the node opens its log`);
      openingSeconds.log = await open(first);
      // A node writes it soon after it has begun to serve without one.
      await until(`${index} is there`, patienceMs, () => existsSync(index));
      await stop(server);
      progress(`${name}: the node opens its log by the index file`);
      openingSeconds.index = await open(first);
      if (server.output.includes("is not used")) throw new Error(`the index file is odd:\n${server.output}`);
      await server.says(serving, patienceMs);
      progress(`${name}: an empty standby catches up`);
    },
  });
  try {
    const [first, second] = kvlab.nodes;
    if (first === undefined || second === undefined) throw new Error(`${name} has no two nodes`);
    const catchUpSeconds = (Date.now() - momentOf(second.server.output, "registered as")) / 1000;
    const { logBytes } = await sizeOfLog(first.address);
    return { ...kvlab, keys, logBytes, openingSeconds, catchUpSeconds };
  } catch (error) {
    await kvlab.close();
    throw error;
  }
}

const serving = "serving as primary";

/** Once it serves: a node that is stopped before has not begun. */
async function stop(server: Server): Promise<void> {
  await server.says(serving, patienceMs);
  await server.kill("SIGTERM");
}

async function open({ server }: KvlabNode): Promise<number> {
  const begunMs = Date.now();
  server.launch();
  await server.says("listening on", patienceMs);
  return (momentOf(server.output, "listening on") - begunMs) / 1000;
}
