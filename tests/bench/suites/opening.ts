import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { freePorts } from "../../support/free-ports.ts";
import { figureSuite } from "../figure-suite.ts";
import { keyOf } from "../keys.ts";
import { redisServer } from "../peers/redis.ts";
import { programOf, type Runtime } from "../runtimes.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { runTool } from "../tools/run-tool.ts";
import { randomText } from "../values.ts";

const records = 1_000_000;
const program = fileURLToPath(new URL("opening-program.ts", import.meta.url));

/** Opening a log of 1,000,000 records, beside Redis loading the same from an append-only file of plain commands. */
export const openingSuite = figureSuite({
  name: "opening/1000000",
  unit: "s",
  needs: ["redis"],
  pairs: [
    ["kvlab on Bun", "redis"],
    ["kvlab on Node", "redis"],
  ],
  async open({ progress }) {
    const folder = await temporaryFolder("opening");
    const dbfile = join(folder, "db.txt");
    progress("opening: the log of kvlab is written");
    await runTool(programOf("bun"), [program, "write", dbfile, `${records}`]);
    progress("opening: the file of Redis is written");
    await writeAppendOnlyFile(join(folder, "redis", "appendonlydir"));
    const side = (name: string, runtime: Runtime) => ({
      name,
      async measure() {
        const { stdout } = await runTool(programOf(runtime), [program, "open", dbfile]);
        const [seconds, keys] = stdout.trim().split(" ").map(Number);
        if (keys !== records) throw new Error(`${keys} of ${records} keys are in the log`);
        return seconds ?? Number.NaN;
      },
    });
    return {
      sides: [
        side("kvlab on Bun", "bun"),
        side("kvlab on Node", "node"),
        { name: "redis", measure: () => openRedis(folder) },
      ],
      close: () => rm(folder, { recursive: true, force: true }),
    };
  },
});

/** See "Append only file" in the documentation of Redis 7: increments, and a list of them. */
async function writeAppendOnlyFile(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const write = async (name: string, chunks: Iterable<string>) => {
    const file = createWriteStream(join(folder, name));
    for (const chunk of chunks) if (!file.write(chunk)) await once(file, "drain");
    file.end();
    await finished(file);
  };
  await write("appendonly.aof.1.incr.aof", setCommands());
  await write("appendonly.aof.manifest", ["file appendonly.aof.1.incr.aof seq 1 type i\n"]);
}

function* setCommands(): Iterable<string> {
  yield "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";
  const value = randomText(100);
  for (let index = 0; index < records; index++) {
    yield `*3\r\n$3\r\nSET\r\n$20\r\n${keyOf(1, index)}\r\n$100\r\n${value}\r\n`;
  }
}

/** What Redis says that loading took; like that of kvlab, without the start of the process. */
async function openRedis(folder: string): Promise<number> {
  const [port = 0] = await freePorts(1);
  const server = await redisServer(folder, "redis", port);
  try {
    const seconds = /DB loaded from append only file: ([\d.]+) seconds/.exec(server.output)?.[1];
    if (seconds === undefined) throw new Error(`Redis has loaded no file:\n${server.output}`);
    return Number(seconds);
  } finally {
    await server.kill();
  }
}
