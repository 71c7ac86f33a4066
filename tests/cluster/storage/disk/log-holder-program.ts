import process from "node:process";
import { nodeDisk } from "../../../../src/cluster/storage/disk/node-disk.ts";
import { openLog } from "../../../../src/cluster/storage/open.ts";
import { systemClock } from "../../../../src/common/clock.ts";
import { put } from "../../../support/log-fixtures.ts";

/** Opens the log that it is given, says so, and appends until it is killed; tells each acknowledged seq. */
const [, , dbfile = "", rbfile = ""] = process.argv;
const store = await openLog({
  disk: nodeDisk,
  dbfile,
  rbfile,
  clock: systemClock,
  onFatal: (error) => {
    throw error;
  },
  log: () => {},
});
if (store.identity === undefined) await store.adopt({ cluster: "c1", group: "g", number: 1 });
process.stdout.write("open\n");
for (;;) {
  const seq = store.last.seq + 1;
  await store.append([put(1, seq, `key ${seq % 100}`, `value ${seq}`)]);
  store.commit(seq);
  process.stdout.write(`${seq}\n`);
}
