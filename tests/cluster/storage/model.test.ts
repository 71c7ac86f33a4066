// runtimes: bun, node
// On a simulated disk the log's own code decides, and what an engine makes of it; Deno's engine is that of Node.js.
import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { boundsOf, isWithin } from "../../../src/cluster/storage/index/key-range.ts";
import type { KeyRange, ScanReader } from "../../../src/cluster/storage/key-view.ts";
import type { LogStore } from "../../../src/cluster/storage/log-store.ts";
import type { AheadStart, LogRecord, MoveMark, Position } from "../../../src/cluster/storage/model.ts";
import type { SnapshotHead } from "../../../src/cluster/storage/replica-log.ts";
import {
  contentsAfter,
  contentsOf,
  deleting,
  openOn,
  plain,
  putting,
  text,
} from "../../support/log-fixtures.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";
import { factsAfter, LogModel, movesAfter, revisionAt, revisionOf } from "./log-model.ts";

const keys = ["", "a", "b", "key with a space", "ключ", "\n", "#", "\uffff", "😀"];
const requestsMax = 12;

/** Of a key: a text to put, maybe for a time; or its removal. */
const change = fc.record({
  key: fc.constantFrom(...keys),
  text: fc.option(fc.string({ maxLength: 30 }), { nil: undefined, freq: 3 }),
  expiresMs: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined, freq: 2 }),
});
/** What a record is to a move, with numbers that are made to fit its place. */
const mark = fc.record({
  kind: fc.constantFrom("copy", "copy", "copy", "forget", "release", "accept"),
  group: fc.constantFrom("left", "right"),
  change: fc.integer({ min: 1, max: 3 }),
  number: fc.integer({ min: 1, max: 300 }),
  more: fc.integer({ min: -5, max: 100 }),
});
type Mark = typeof mark extends fc.Arbitrary<infer T> ? T : never;
/** A record to append: without changes it begins an epoch, unless it is for a request or has a mark. */
const draft = fc.record({
  changes: fc.oneof(
    { weight: 8, arbitrary: fc.array(change, { minLength: 1, maxLength: 1 }) },
    { weight: 3, arbitrary: fc.uniqueArray(change, { maxLength: 5, selector: ({ key }) => key }) },
  ),
  hasRequest: fc.boolean(),
  mark: fc.option(mark, { nil: undefined, freq: 3 }),
});
type Draft = typeof draft extends fc.Arbitrary<infer T> ? T : never;
const drafts = fc.array(draft, { minLength: 1, maxLength: 12 });
const share = fc.float({ min: 0, max: 1, noNaN: true });
const range = fc.record({
  after: fc.option(fc.constantFrom(...keys), { nil: undefined }),
  reverse: fc.boolean(),
});

function does<K extends string>(kind: K) {
  return { do: fc.constant<K>(kind) };
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ ...does("append"), drafts }) },
  { weight: 3, arbitrary: fc.record({ ...does("commit"), share }) },
  { weight: 2, arbitrary: fc.record({ ...does("compact while appending"), drafts }) },
  { weight: 1, arbitrary: fc.record({ ...does("truncate"), share }) },
  { weight: 1, arbitrary: fc.record({ ...does("promise"), more: fc.integer({ min: 0, max: 2 }) }) },
  { weight: 2, arbitrary: fc.record({ ...does("open scan"), range }) },
  { weight: 4, arbitrary: fc.record({ ...does("read scans"), max: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ ...does("copy out"), drafts }) },
  { weight: 1, arbitrary: fc.record({ ...does("copy in"), drafts }) },
  { weight: 1, arbitrary: fc.record(does("close")) },
  { weight: 2, arbitrary: fc.record({ ...does("crash while appending"), drafts, seed: fc.integer() }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Records after one, in a log whose revisions are so much ahead there. */
function toRecords(after: Position, drafts: readonly Draft[], aheadBefore: number): LogRecord[] {
  let { epoch, seq } = after;
  let ahead = aheadBefore;
  return drafts.map((draft) => {
    seq++;
    const move = draft.mark && toMove(draft.mark, draft, { seq, ahead });
    if (move?.kind === "accept") ahead = Math.max(ahead, move.ahead);
    const isBetweenGroups = move?.kind === "accept" || move?.kind === "release";
    const hasRequest = draft.hasRequest && !isBetweenGroups && move?.kind !== "forget";
    const drafted = isBetweenGroups ? [] : draft.changes;
    if (drafted.length === 0 && !hasRequest && move === undefined) epoch++;
    return {
      epoch,
      seq,
      ...(hasRequest ? { requestId: `${epoch}-${seq}` } : {}),
      changes: drafted.map(({ key, text, expiresMs }) =>
        text === undefined || move?.kind === "forget" ? deleting(key) : putting(key, text, { expiresMs }),
      ),
      ...(move === undefined ? {} : { move }),
    };
  });
}

/** Undefined when the record can have no such mark. */
function toMove(
  { kind, group, change, number, more }: Mark,
  { changes, hasRequest }: Pick<Draft, "changes" | "hasRequest">,
  { seq, ahead }: { readonly seq: number; readonly ahead: number },
): MoveMark | undefined {
  switch (kind) {
    case "copy":
      return changes.length > 0 || hasRequest ? { kind, revision: number } : undefined;
    case "forget":
      return changes.length > 0 ? { kind } : undefined;
    case "release":
      return { kind, change, to: group };
    default: {
      const next = Math.max(0, ahead + more);
      const revision = Math.min(number, seq + next - 1);
      const requestsAfter = Math.max(0, revision - 20);
      return { kind: "accept", change, from: group, revision, ahead: next, requestsAfter };
    }
  }
}

async function check(store: LogStore, model: LogModel): Promise<void> {
  assert.deepEqual(await contentsOf(store), contentsAfter(model.visible));
  assert.deepEqual({ ...store.last }, model.last);
  assert.deepEqual({ ...store.durable }, model.last);
  assert.deepEqual({ ...store.base }, model.base);
  assert.equal(store.visible.seq, model.visibleSeq);
  assert.deepEqual(store.epochs, model.epochs);
  assert.equal(store.promisedEpoch, model.promisedEpoch);
  const all = factsAfter(model.all);
  for (const key of keys) assert.deepEqual(store.pendingFacts(key), all.get(key));
  assert.deepEqual(plain(await store.read(model.base.seq, Number.MAX_SAFE_INTEGER)), plain(model.tail));
  if (model.base.seq > 0) assert.equal(await store.read(model.base.seq - 1, 1), undefined);
  assert.ok(store.garbageBytes >= 0 && store.garbageBytes <= store.fileBytes);
  assert.equal(store.lastRevision, model.lastRevision);
  assert.deepEqual(store.moves, movesAfter(model.all));
  for (let seq = 0; seq <= model.last.seq; seq++) {
    const revision = revisionAt(model.all, seq);
    assert.deepEqual([store.revisionOf(seq), store.seqAt(revision)], [revision, seq]);
  }
  checkRequests(store, model);
  checkExpiries(store, model);
}

function checkRequests(store: LogStore, model: LogModel): void {
  const { requestsAfter } = store;
  assert.ok(
    requestsAfter <= model.requestsAfterMax && requestsAfter <= model.lastRevision,
    `${requestsAfter}`,
  );
  const { all } = model;
  const acceptSeq = all.findLast(({ move }) => move?.kind === "accept")?.seq ?? 0;
  const acceptRevision = revisionAt(all, acceptSeq);
  for (const record of all) {
    const { requestId, seq, move } = record;
    if (requestId === undefined) continue;
    const recorded = store.requestOf(requestId);
    const revision = revisionOf(record, all);
    if (recorded !== undefined) assert.deepEqual(recorded, { seq, revision });
    // A copy that no accept has come to yet may be above the group's own revisions.
    const counts = move?.kind !== "copy" || (seq < acceptSeq && revision < acceptRevision);
    assert.ok(
      recorded !== undefined || !counts || revision <= requestsAfter,
      `${requestId} ${requestsAfter}`,
    );
  }
  assert.equal(store.requestOf(`0-${model.last.seq + 1}`), undefined);
}

function checkExpiries(store: LogStore, model: LogModel): void {
  const times = [...factsAfter(model.visible)].flatMap(([key, { expiresMs }]) => {
    return expiresMs === undefined ? [] : [{ key, expiresMs }];
  });
  const due = times.filter(({ expiresMs }) => expiresMs <= 5).map(({ key }) => key);
  assert.deepEqual(store.expired(5, 100).sort(), due.sort());
}

interface OpenScan {
  readonly reader: ScanReader;
  left: string[];
}

function openScan(store: LogStore, model: LogModel, range: KeyRange): OpenScan {
  const bounds = boundsOf(range);
  const contents = contentsAfter(model.visible);
  const within = [...contents.keys()].filter((key) => isWithin(key, bounds));
  within.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)) * (range.reverse ? -1 : 1));
  return { reader: store.openScan(range), left: within.map((key) => `${key}=${contents.get(key)}`) };
}

/** Returns whether the scan can go on. */
async function readScan(scan: OpenScan, max: number): Promise<boolean> {
  const found = await scan.reader.nextEntries({ keysMax: max, bytesMax: 10_000 });
  const lines = found.map(({ key, value }) => `${key}=${text(value)}`);
  assert.deepEqual(lines, scan.left.slice(0, max));
  scan.left = scan.left.slice(max);
  return lines.length === max;
}

/** Everything a reader of a copy gives. */
async function copyOut(store: LogStore, meanwhile: () => Promise<void>) {
  const reader = await store.openSnapshot();
  const { base, epochs, requestsAfter, moves } = reader;
  const records: LogRecord[] = [];
  try {
    await meanwhile();
    for (;;) {
      const next = await reader.next(50);
      if (next.length === 0) return { records, head: { base, epochs, requestsAfter, moves } };
      records.push(...next);
    }
  } finally {
    await reader.close();
  }
}

/** A log that is made of a copy says the same as the one that it was made of. */
async function checkCopy(head: SnapshotHead, records: readonly LogRecord[], model: LogModel): Promise<void> {
  const all = model.all.filter(({ seq }) => seq <= head.base.seq);
  const copied = await openOn(new SimulatedDisk(), { requestsMax });
  const writer = await copied.beginSnapshot(head);
  await writer.write(records);
  await writer.finish();
  assert.deepEqual(copied.moves, movesAfter(all));
  assert.equal(copied.lastRevision, revisionAt(all, head.base.seq));
  const facts = factsAfter(all);
  for (const key of keys) assert.deepEqual(copied.pendingFacts(key), facts.get(key));
  assert.equal(copied.requestsAfter, head.requestsAfter);
  await copied.close();
}

/** What the head of a snapshot says of moves, for a log that has all requests after `forgottenSeq`. */
function summaryOf(records: readonly LogRecord[], forgottenSeq: number): SnapshotHead["moves"] {
  const aheads: AheadStart[] = [];
  for (const { seq, move } of records) {
    if (move?.kind !== "accept") continue;
    aheads.push({ firstSeq: seq, ahead: Math.max(move.ahead, aheads.at(-1)?.ahead ?? 0) });
  }
  return { ...movesAfter(records), aheads, forgottenSeq, copiedAfter: 0 };
}

async function run(steps: readonly Step[], indexedBytesMin: number): Promise<void> {
  const disk = new SimulatedDisk();
  const model = new LogModel(requestsMax);
  // A process that has died learns that its handles are dead.
  const open = () => openOn(disk, { onFatal: () => {}, requestsMax, indexedBytesMin });
  let store = await open();
  await store.adopt({ cluster: "c1", group: "g", number: 1 });
  let scans: OpenScan[] = [];
  let compactions = 0;
  const endScans = async () => {
    for (const { reader } of scans) await reader.close();
    scans = [];
    compactions = 0;
  };
  const within = (from: number, share: number) => from + Math.round(share * (model.last.seq - from));
  const following = (drafts: readonly Draft[]) =>
    toRecords(model.last, drafts, model.lastRevision - model.last.seq);
  const append = async (drafts: readonly Draft[]) => {
    const records = following(drafts);
    model.append(records);
    await store.append(records);
  };

  for (const step of steps) {
    switch (step.do) {
      case "append":
        await append(step.drafts);
        break;
      case "commit":
        model.commit(within(model.base.seq, step.share));
        store.commit(model.committedSeq);
        break;
      case "compact while appending": {
        // A scan may hold on to so many files only.
        if (++compactions > 3) await endScans();
        const compaction = store.compact();
        model.compact();
        await append(step.drafts);
        await compaction;
        break;
      }
      case "truncate": {
        const seq = within(model.keptSeq, step.share);
        await endScans();
        await store.truncate(seq);
        model.truncate(seq);
        break;
      }
      case "promise":
        model.promisedEpoch += step.more;
        await store.promise(model.promisedEpoch);
        break;
      case "open scan":
        if (scans.length < 5) scans.push(openScan(store, model, step.range));
        break;
      case "read scans":
        for (const scan of [...scans]) {
          if (await readScan(scan, step.max)) continue;
          await scan.reader.close();
          scans = scans.filter((other) => other !== scan);
        }
        break;
      case "copy out": {
        const before = contentsAfter(model.all);
        const requests = model.all.filter(
          ({ requestId }) => requestId !== undefined && store.requestOf(requestId),
        );
        const { records, head } = await copyOut(store, async () => {
          await append(step.drafts);
          model.commit(model.last.seq);
          store.commit(model.last.seq);
        });
        assert.deepEqual(contentsAfter(records), before);
        assert.ok(records.every(({ seq }, index) => seq > (records[index - 1]?.seq ?? 0)));
        const copied = new Map(records.map(({ requestId, seq }) => [requestId, seq]));
        for (const { requestId, seq } of requests) assert.equal(copied.get(requestId), seq);
        await checkCopy(head, records, model);
        break;
      }
      case "copy in": {
        const forgottenSeq = 2 * model.last.seq;
        const records = toRecords({ epoch: model.last.epoch, seq: forgottenSeq }, step.drafts, 0);
        const { epoch, seq } = records.at(-1) ?? model.last;
        const epochs = [{ epoch: Math.max(1, epoch), firstSeq: 1 }];
        const base = { epoch: Math.max(1, epoch), seq: seq + 5 };
        const sparse = records.filter(
          ({ changes, requestId }) => changes.length > 0 || requestId !== undefined,
        );
        await endScans();
        const accepts = records.flatMap(({ move }) => (move?.kind === "accept" ? [move.requestsAfter] : []));
        const requestsAfter = Math.max(forgottenSeq, ...accepts);
        const moves = summaryOf(records, forgottenSeq);
        const copy = await store.beginSnapshot({ base, epochs, requestsAfter, moves });
        await copy.write(sparse);
        await copy.finish();
        model.copy(base, records, epochs, requestsAfter);
        break;
      }
      case "close":
        await endScans();
        await store.close();
        store = await open();
        model.reopened();
        break;
      case "crash while appending": {
        const records = following(step.drafts);
        const appended = store.append(records).catch(() => {});
        await Promise.resolve();
        disk.crash(seededRandom(step.seed));
        await appended;
        await endScans();
        store = await open();
        model.append(records.filter(({ seq }) => seq <= store.last.seq));
        model.reopened();
      }
    }
    await check(store, model);
  }
  await endScans();
  await store.close();
}

it("a log does what a simple list of records does, whatever happens", { timeout: 120_000 }, async () => {
  // Many with an index file, some with none.
  const indexedBytesMin = fc.constantFrom(1, 100, Number.MAX_SAFE_INTEGER);
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), indexedBytesMin, run), {
    seed: 20,
    numRuns: 400,
  });
});
