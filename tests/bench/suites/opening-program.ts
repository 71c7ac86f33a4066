/**
 * `opening-program.ts write DBFILE COUNT` writes a log of so many puts, or adds them to the log of a node;
 * `opening-program.ts spread DBFILE COUNT` does so in an order of chance. `opening-program.ts open DBFILE` opens a log and
 * says for how many seconds that took, and how many keys there are.
 */
import process from "node:process";
import { nodeDisk } from "../../../src/cluster/storage/disk/node-disk.ts";
import { openLog } from "../../../src/cluster/storage/open.ts";
import { systemClock } from "../../../src/common/clock.ts";
import { keyOf, spread } from "../keys.ts";
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
if (task === "write") await write(Number(count), (index) => index);
else if (task === "spread") await write(Number(count), (index) => spread(index, Number(count)));
else console.log((performance.now() - begunMs) / 1000, log.keyCount);
await log.close();

async function write(records: number, place: (index: number) => number): Promise<void> {
  if (log.identity === undefined) await log.adopt({ cluster: "bench", group: "bench", number: 1 });
  const epoch = Math.max(1, log.promisedEpoch);
  const firstSeq = log.last.seq + 1;
  const value = Buffer.from(randomText(100));
  for (let from = 0; from < records; from += 1000) {
    const some = Array.from({ length: Math.min(1000, records - from) }, (_, at) => ({
      epoch,
      seq: firstSeq + from + at,
      changes: [{ kind: "put", key: keyOf(1, place(from + at)), value, text: true, previous: 0 } as const],
    }));
    await log.append(some);
    log.commit(log.last.seq);
  }
}
