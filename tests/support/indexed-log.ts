import assert from "node:assert/strict";
import type { LogStore } from "../../src/cluster/storage/log-store.ts";
import type { LogRecord } from "../../src/cluster/storage/model.ts";
import type { LogOptions } from "../../src/cluster/storage/options.ts";
import { contentsOf, dbfile, openOn, plain } from "./log-fixtures.ts";
import { SimulatedDisk } from "./simulated-disk.ts";

export const indexFile = `${dbfile}.index`;
export const indexDraft = `${dbfile}.index-new`;

type Options = Partial<Omit<LogOptions, "disk" | "dbfile" | "rbfile">>;

/** Opens a log that gets an index file however small it is. */
export function openIndexed(disk: SimulatedDisk, options: Options = {}): Promise<LogStore> {
  return openOn(disk, { indexedBytesMin: 1, ...options });
}

/** A disk with a closed log of these records, all committed, and its index file. */
export async function indexedLog(
  records: readonly LogRecord[],
  options: Options = {},
): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  const store = await openIndexed(disk, options);
  await store.adopt({ cluster: "c1", group: "zdata1", number: 1 });
  await addTo(store, records);
  await store.close();
  assert.ok(disk.contents(indexFile));
  return disk;
}

export async function addTo(store: LogStore, records: readonly LogRecord[]): Promise<void> {
  await store.append(records);
  store.commit(store.last.seq);
}

/** Opens the log on the disk, says everything that can be told of it, and whether the index file was used. */
export async function opened(disk: SimulatedDisk, options: Options = {}) {
  const hasIndex = disk.contents(indexFile) !== undefined;
  const messages: string[] = [];
  // Nothing is written while it is looked at.
  const store = await openOn(disk, { log: (message) => messages.push(message), ...options });
  const refusals = messages.filter((message) => message.includes("is not used"));
  const history = (await store.read(store.base.seq, 1e9)) ?? [];
  const facts = {
    contents: [...(await contentsOf(store))],
    facts: [...store.keys()].sort().map((key) => [key, store.pendingFacts(key)]),
    scanned: store
      .openScan({})
      .nextKeys(1000)
      .map(({ key, revision }) => [key, revision]),
    condition: store.condition,
    identity: store.identity,
    isCopy: store.isCopy,
    life: store.life,
    base: { ...store.base },
    visible: { ...store.visible },
    durable: { ...store.durable },
    last: { ...store.last },
    epochs: store.epochs,
    promisedEpoch: store.promisedEpoch,
    fileBytes: store.fileBytes,
    garbageBytes: store.garbageBytes,
    requestsAfter: store.requestsAfter,
    expired: store.expired(Number.MAX_SAFE_INTEGER, 1000),
    history: store.condition.kind === "damaged" ? [] : plain(history),
  };
  const requests = history.map(({ requestId }) => requestId && store.requestOf(requestId)?.seq);
  await store.close();
  return { facts: { ...facts, requests }, isUsed: hasIndex && refusals.length === 0, refusals };
}

/** What the log says without its index file, which stays as it is. */
export async function openedWhole(disk: SimulatedDisk, options: Options = {}) {
  const index = disk.contents(indexFile);
  if (index !== undefined) disk.take(indexFile);
  const { facts } = await opened(disk, options);
  if (index !== undefined) disk.place(indexFile, index);
  return facts;
}
