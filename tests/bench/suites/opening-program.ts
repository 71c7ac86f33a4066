/**
 * `opening-program.ts write DBFILE COUNT` writes a log of so many puts. `opening-program.ts open DBFILE` opens it and
 * says for how many seconds that took, and how many keys there are.
 */
import process from "node:process";
import { nodeDisk } from "../../../src/cluster/storage/disk/node-disk.ts";
import { openLog } from "../../../src/cluster/storage/open.ts";
import { systemClock } from "../../../src/common/clock.ts";
import { keyOf } from "../keys.ts";
import { randomText } from "../values.ts";

const [task, dbfile = "", count = "0"] = process.argv.slice(2);
const begunMs = performance.now();
const log = await openLog({
  disk: nodeDisk,
  dbfile,
  rbfile: `${dbfile}.rb`,
  clock: systemClock,
  onFatal(error) {
    throw error;
  },
  log: console.error,
});
if (task === "write") await write(Number(count));
else console.log((performance.now() - begunMs) / 1000, log.keyCount);
await log.close();

async function write(records: number): Promise<void> {
  await log.adopt({ cluster: "bench", group: "bench", number: 1 });
  const value = Buffer.from(randomText(100));
  for (let seq = 1; seq <= records; seq += 1000) {
    const some = Array.from({ length: Math.min(1000, records - seq + 1) }, (_, index) => ({
      epoch: 1,
      seq: seq + index,
      changes: [{ kind: "put", key: keyOf(1, seq + index - 1), value, text: true, previous: 0 } as const],
    }));
    await log.append(some);
    log.commit(seq + some.length - 1);
  }
}
