// runtimes: bun, node
// On a simulated disk the log's own code decides, and what an engine makes of it; Deno's engine is that of Node.js.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogStore } from "../../../src/cluster/storage/log-store.ts";
import type { LogRecord } from "../../../src/cluster/storage/model.ts";
import {
  allKindsOfRecords,
  contentsAfter,
  contentsOf,
  dbfile,
  deletion,
  epochRecord,
  openOn,
  put,
  rbfile,
} from "../../support/log-fixtures.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";

/** What a crash may leave: one of these logs, whole but for unacknowledged records at its end. */
interface Allowed {
  readonly records: readonly LogRecord[];
  /** Acknowledged up to here. */
  readonly ackedSeq: number;
}

class Expectation {
  allowed: Allowed[] = [{ records: [], ackedSeq: 0 }];
  promisedEpoch = 0;
  isAdopted = false;

  /** Until `action` is over, the log may be as before or as after it. */
  async during(after: Allowed, action: () => Promise<unknown>): Promise<void> {
    this.allowed = [...this.allowed, after];
    await action();
    this.allowed = [{ ...after, ackedSeq: after.records.at(-1)?.seq ?? 0 }];
  }

  /** Records that are not acknowledged before `action` is over. */
  async appending(records: readonly LogRecord[], action: () => Promise<unknown>): Promise<void> {
    const before = this.allowed[0] ?? assert.fail();
    await this.during({ records: [...before.records, ...records], ackedSeq: before.ackedSeq }, action);
  }

  async check(store: LogStore): Promise<void> {
    assert.notEqual(store.condition.kind, "damaged");
    const { seq } = store.last;
    const contents = JSON.stringify([...(await contentsOf(store))]);
    const isAllowed = this.allowed.some(({ records, ackedSeq }) => {
      const lastSeq = records.at(-1)?.seq ?? 0;
      const kept = records.filter((record) => record.seq <= seq);
      return seq >= ackedSeq && seq <= lastSeq && JSON.stringify([...contentsAfter(kept)]) === contents;
    });
    assert.ok(isAllowed, `seq ${seq}: ${contents}`);
    assert.ok(store.promisedEpoch >= this.promisedEpoch, `promised ${store.promisedEpoch}`);
    if (this.isAdopted) assert.equal(store.identity?.number, 1);
  }
}

type Scenario = (disk: SimulatedDisk, expected: Expectation) => Promise<void>;

const legacyFile = "YQ==\nMQ==\n#\nYg==\nMg==\n#\nYQ==\nMw==\n#\n";
const legacyRecords = [put(0, 1, "a", "1"), put(0, 2, "b", "2"), put(0, 3, "a", "3")];

/** An open that takes a crash for what it is. */
const open = (disk: SimulatedDisk) => openOn(disk, { onFatal: () => {} });

const scenarios: Record<string, Scenario> = {
  "the first start and the first writes": async (disk, expected) => {
    const store = await open(disk);
    await store.adopt({ cluster: "c1", group: "g", number: 1 });
    expected.isAdopted = true;
    await store.promise(1);
    expected.promisedEpoch = 1;
    const records = allKindsOfRecords(12, 4).map((record) => ({ ...record, epoch: 1 }));
    await expected.appending(records.slice(0, 3), () => store.append(records.slice(0, 3)));
    await expected.appending(records.slice(3), () =>
      Promise.all(records.slice(3).map((record) => store.append([record]))),
    );
    await store.close();
  },

  "adopting a log of the original program with an unfinished end": async (disk, expected) => {
    disk.place(dbfile, Buffer.from(`${legacyFile}YQ`));
    expected.allowed = [{ records: legacyRecords, ackedSeq: 3 }];
    const store = await open(disk);
    await store.adopt({ cluster: "c1", group: "g", number: 1 });
    expected.isAdopted = true;
    await expected.appending([put(1, 4, "c", "x")], () => store.append([put(1, 4, "c", "x")]));
    await store.close();
  },

  "a compaction while records are appended": async (disk, expected) => {
    const records = allKindsOfRecords(60, 5);
    const store = await open(disk);
    await store.adopt({ cluster: "c1", group: "g", number: 1 });
    await expected.appending(records.slice(0, 40), () => store.append(records.slice(0, 40)));
    expected.isAdopted = true;
    store.commit(35);
    const compaction = store.compact();
    compaction.catch(() => {}); // A crash before it is waited for is no surprise.
    for (const record of records.slice(40, 50))
      await expected.appending([record], () => store.append([record]));
    await store.promise(5);
    expected.promisedEpoch = 5;
    await compaction;
    await expected.appending(records.slice(50), () => store.append(records.slice(50)));
    await store.close();
  },

  "cutting off records behind a promise": async (disk, expected) => {
    const records = allKindsOfRecords(20, 5);
    const store = await open(disk);
    await store.adopt({ cluster: "c1", group: "g", number: 1 });
    expected.isAdopted = true;
    await expected.appending(records, () => store.append(records));
    store.commit(8);
    await store.promise(4);
    expected.promisedEpoch = 4;
    await expected.during({ records: records.slice(0, 12), ackedSeq: 12 }, () => store.truncate(12));
    const fresh = [epochRecord(4, 13), deletion(4, 14, "key 1")];
    await expected.appending(fresh, () => store.append(fresh));
    await store.close();
  },

  "a snapshot in the place of a log": async (disk, expected) => {
    const records = allKindsOfRecords(20, 5);
    const store = await open(disk);
    await store.adopt({ cluster: "c1", group: "g", number: 1 });
    expected.isAdopted = true;
    await expected.appending(records, () => store.append(records));
    await store.promise(6);
    expected.promisedEpoch = 6;
    const copied = [put(5, 90, "a", "1"), put(6, 95, "b", "2"), epochRecord(6, 100)];
    const copy = await store.beginSnapshot({
      base: { epoch: 6, seq: 100 },
      epochs: [{ epoch: 6, firstSeq: 95 }],
      requestsAfter: 0,
    });
    await copy.write(copied.slice(0, 1));
    await copy.write(copied.slice(1, 2));
    await expected.during({ records: copied, ackedSeq: 100 }, () => copy.finish());
    await expected.appending([put(6, 101, "c", "3")], () => store.append([put(6, 101, "c", "3")]));
    await store.close();
  },

  "an index file, written and used": async (disk, expected) => {
    const openIndexed = () => openOn(disk, { onFatal: () => {}, indexedBytesMin: 1 });
    const records = allKindsOfRecords(12, 5);
    let store = await openIndexed();
    await store.adopt({ cluster: "c1", group: "g", number: 1 });
    expected.isAdopted = true;
    for (let from = 0; from < 12; from += 6) {
      const added = records.slice(from, from + 6);
      await expected.appending(added, () => store.append(added));
      store.commit(from + 6);
      if (from === 6) await store.compact();
      await store.close();
      store = await openIndexed();
    }
    await store.close();
  },

  "a start with only a rewritten log": async (disk, expected) => {
    disk.place(rbfile, Buffer.from(legacyFile));
    expected.allowed = [{ records: legacyRecords, ackedSeq: 3 }];
    const store = await open(disk);
    await store.close();
  },
};

const changes = ["create", "write", "truncate", "datasync", "rename", "remove", "sync-directory", "lock"];

/** Runs `action` until it ends or has begun its change number `limit`: then the machine loses power. */
function untilCrash(
  disk: SimulatedDisk,
  limit: number,
  keep: () => number,
  action: () => Promise<void>,
): Promise<boolean> {
  return untilEnd(disk, limit, () => disk.crash(keep), action);
}

async function untilEnd(
  disk: SimulatedDisk,
  limit: number,
  end: () => void,
  action: () => Promise<void>,
): Promise<boolean> {
  let count = 0;
  let crashed = false;
  disk.intercept = ({ kind }) => {
    if (crashed || !changes.includes(kind) || count++ < limit) return;
    crashed = true;
    end();
  };
  try {
    await action();
  } catch (error) {
    if (!crashed) throw error;
  }
  disk.intercept = undefined;
  return crashed;
}

/** How much of what was not synced survives. */
const survivals: readonly ((seed: number) => () => number)[] = [
  () => () => 0,
  () => () => 1,
  ...[1, 2, 3, 4, 5, 6].map((variant) => (seed: number) => seededRandom(seed * 10 + variant)),
];

for (const [name, scenario] of Object.entries(scenarios)) {
  describe(`a crash at any change of the disk during ${name}`, () => {
    it("loses nothing", { timeout: 60_000 }, async () => {
      let crashes = 0;
      for (const [variant, survival] of survivals.entries()) {
        for (let limit = 0; ; limit++) {
          const disk = new SimulatedDisk();
          const expected = new Expectation();
          const crashed = await untilCrash(disk, limit, survival(limit + 1), () => scenario(disk, expected));
          const store = await openOn(disk);
          try {
            await expected.check(store);
          } catch (error) {
            throw new Error(`variant ${variant}, change ${limit}`, { cause: error });
          }
          await store.close();
          if (!crashed) break;
          crashes++;
        }
      }
      assert.ok(crashes > 10);
    });

    it("keeps what the next process finds when only the process dies, and the machine later", async () => {
      for (let limit = 0; ; limit++) {
        const disk = new SimulatedDisk();
        const expected = new Expectation();
        const died = await untilEnd(
          disk,
          limit,
          () => disk.kill(),
          () => scenario(disk, expected),
        );
        const found = await openOn(disk);
        const { durable, promisedEpoch } = found;
        disk.crash(() => 0);
        const store = await openOn(disk);
        assert.deepEqual(store.durable, durable, `change ${limit}`);
        assert.equal(store.promisedEpoch, promisedEpoch, `change ${limit}`);
        await store.close();
        if (!died) break;
      }
    });

    it("loses nothing when the recovery crashes too, at any change", { timeout: 60_000 }, async () => {
      for (let first = 0; ; first += 2) {
        for (let second = 0; ; second++) {
          const disk = new SimulatedDisk();
          const expected = new Expectation();
          const keep = seededRandom(first * 1000 + second);
          if (!(await untilCrash(disk, first, keep, () => scenario(disk, expected)))) return;
          const crashed = await untilCrash(disk, second, keep, async () => {
            await (await open(disk)).close();
          });
          const store = await openOn(disk);
          try {
            await expected.check(store);
          } catch (error) {
            throw new Error(`changes ${first} and ${second}`, { cause: error });
          }
          await store.close();
          if (!crashed) break;
        }
      }
    });
  });
}
