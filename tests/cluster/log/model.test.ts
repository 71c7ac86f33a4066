import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import type { EpochStart, LogRecord, LogStore, Position } from "../../../src/cluster/log-store.ts";
import {
  contentsAfter,
  contentsOf,
  deletion,
  epochRecord,
  openOn,
  plain,
  put,
} from "../../support/log-fixtures.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { createSimulatedDisk } from "../../support/simulated-disk.ts";

/** A log as simple as can be. */
class Model {
  /** What was there at `base`, as records. */
  snapshot: LogRecord[] = [];
  base: Position = { epoch: 0, seq: 0 };
  tail: LogRecord[] = [];
  epochs: EpochStart[] = [];
  promisedEpoch = 0;
  committedSeq = 0;
  /** Up to here nothing is ever cut off, whether or not the log remembers why. */
  keptSeq = 0;
  visibleSeq = 0;

  get last(): Position {
    const { epoch, seq } = this.tail.at(-1) ?? this.base;
    return { epoch, seq };
  }

  append(records: readonly LogRecord[]): void {
    for (const record of records) {
      if (record.epoch > this.last.epoch) this.epochs.push({ epoch: record.epoch, firstSeq: record.seq });
      this.tail.push(record);
    }
    this.promisedEpoch = Math.max(this.promisedEpoch, this.last.epoch);
  }

  commit(seq: number): void {
    this.committedSeq = Math.max(this.committedSeq, seq);
    this.keptSeq = Math.max(this.keptSeq, seq);
    this.visibleSeq = Math.max(this.visibleSeq, this.committedSeq);
  }

  truncate(seq: number): void {
    this.tail = this.tail.filter((record) => record.seq <= seq);
    this.epochs = this.epochs.filter(({ firstSeq }) => firstSeq <= seq);
    this.visibleSeq = Math.min(this.visibleSeq, seq);
  }

  compact(): void {
    const folded = this.tail.filter(({ seq }) => seq <= this.committedSeq);
    const { epoch, seq } = folded.at(-1) ?? this.base;
    this.snapshot.push(...folded);
    this.tail = this.tail.filter((record) => record.seq > this.committedSeq);
    this.base = { epoch, seq };
  }

  copy(base: Position, records: LogRecord[], epochs: EpochStart[]): void {
    this.snapshot = records;
    this.base = base;
    this.tail = [];
    this.epochs = epochs;
    this.promisedEpoch = Math.max(this.promisedEpoch, base.epoch);
    this.committedSeq = base.seq;
    this.keptSeq = base.seq;
    this.visibleSeq = base.seq;
  }

  reopened(): void {
    this.committedSeq = this.base.seq;
    this.visibleSeq = this.last.seq;
  }

  get visible(): LogRecord[] {
    return [...this.snapshot, ...this.tail.filter(({ seq }) => seq <= this.visibleSeq)];
  }
}

const keys = ["", "a", "b", "key with a space", "ключ", "\n", "#"];

/** Changes to append: a key and a text to put, a deletion, or the begin of an epoch. */
const change = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constantFrom(...keys), fc.string({ maxLength: 30 })) },
  { weight: 3, arbitrary: fc.tuple(fc.constantFrom(...keys)) },
  { weight: 1, arbitrary: fc.constant([]) },
);
const changes = fc.array(change, { minLength: 1, maxLength: 12 });

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("append" as const), changes }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("commit" as const),
      share: fc.float({ min: 0, max: 1, noNaN: true }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("compact while appending" as const), changes }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("truncate" as const),
      share: fc.float({ min: 0, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("promise" as const), more: fc.integer({ min: 0, max: 2 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("copy out" as const), changes }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("copy in" as const), changes }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("close" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("crash while appending" as const), changes, seed: fc.integer() }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function toRecords(after: Position, changes: readonly (readonly string[])[]): LogRecord[] {
  let { epoch, seq } = after;
  return changes.map(([key, text]) => {
    seq++;
    if (key === undefined) return epochRecord(++epoch, seq);
    return text === undefined ? deletion(epoch, seq, key) : put(epoch, seq, key, text);
  });
}

async function check(store: LogStore, model: Model): Promise<void> {
  assert.deepEqual(await contentsOf(store), contentsAfter(model.visible));
  assert.deepEqual({ ...store.last }, model.last);
  assert.deepEqual({ ...store.durable }, model.last);
  assert.deepEqual({ ...store.base }, model.base);
  assert.deepEqual(store.epochs, model.epochs);
  assert.equal(store.promisedEpoch, model.promisedEpoch);
  const all = contentsAfter([...model.snapshot, ...model.tail]);
  for (const key of keys) assert.equal(store.willBe(key) !== undefined, all.has(key));
  assert.deepEqual(plain(await store.read(model.base.seq, Number.MAX_SAFE_INTEGER)), plain(model.tail));
  if (model.base.seq > 0) assert.equal(await store.read(model.base.seq - 1, 1), undefined);
  assert.ok(store.garbageBytes >= 0 && store.garbageBytes <= store.fileBytes);
}

/** Everything a reader of a copy gives. */
async function copyOut(store: LogStore, meanwhile: () => Promise<void>): Promise<LogRecord[]> {
  const reader = await store.openCopy();
  const records: LogRecord[] = [];
  try {
    await meanwhile();
    for (;;) {
      const next = await reader.next(50);
      if (next.length === 0) return records;
      records.push(...next);
    }
  } finally {
    await reader.close();
  }
}

async function run(steps: readonly Step[]): Promise<void> {
  const disk = createSimulatedDisk();
  const model = new Model();
  // A process that has died learns that its handles are dead.
  const open = () => openOn(disk, { onFatal: () => {} });
  let store = await open();
  await store.adopt({ group: "g", number: 1 });
  const within = (from: number, share: number) => from + Math.round(share * (model.last.seq - from));
  const append = async (changes: readonly (readonly string[])[]) => {
    const records = toRecords(model.last, changes);
    model.append(records);
    await store.append(records);
  };

  for (const step of steps) {
    switch (step.do) {
      case "append":
        await append(step.changes);
        break;
      case "commit":
        model.commit(within(model.base.seq, step.share));
        store.commit(model.committedSeq);
        break;
      case "compact while appending": {
        const compaction = store.compact();
        model.compact();
        await append(step.changes);
        await compaction;
        break;
      }
      case "truncate": {
        const seq = within(model.keptSeq, step.share);
        await store.truncate(seq);
        model.truncate(seq);
        break;
      }
      case "promise":
        model.promisedEpoch += step.more;
        await store.promise(model.promisedEpoch);
        break;
      case "copy out": {
        const before = contentsAfter([...model.snapshot, ...model.tail]);
        const copied = await copyOut(store, async () => {
          await append(step.changes);
          model.commit(model.last.seq);
          store.commit(model.last.seq);
        });
        assert.deepEqual(contentsAfter(copied), before);
        assert.ok(copied.every(({ seq }, index) => seq > (copied[index - 1]?.seq ?? 0)));
        break;
      }
      case "copy in": {
        const records = toRecords({ epoch: model.last.epoch, seq: 2 * model.last.seq }, step.changes);
        const { epoch, seq } = records.at(-1) ?? model.last;
        const epochs = [{ epoch: Math.max(1, epoch), firstSeq: 1 }];
        const base = { epoch: Math.max(1, epoch), seq: seq + 5 };
        const sparse = records.filter(({ changes }) => changes.length > 0);
        const copy = await store.beginCopy({ base, epochs, requestsAfter: 0 });
        await copy.write(sparse);
        await copy.finish();
        model.copy(base, sparse, epochs);
        break;
      }
      case "close":
        await store.close();
        store = await open();
        model.reopened();
        break;
      case "crash while appending": {
        const records = toRecords(model.last, step.changes);
        const appended = store.append(records).catch(() => {});
        await Promise.resolve();
        disk.crash(seededRandom(step.seed));
        await appended;
        store = await open();
        const kept = records.filter(({ seq }) => seq <= store.last.seq);
        model.append(kept);
        model.reopened();
      }
    }
    await check(store, model);
  }
  await store.close();
}

it("a log does what a simple list of records does, whatever happens", { timeout: 120_000 }, async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), run), {
    seed: 20,
    numRuns: 400,
  });
});
