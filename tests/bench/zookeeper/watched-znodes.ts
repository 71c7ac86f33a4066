import type { MultiOperation, ZooKeeper } from "../../../src/zookeeper/index.ts";

/** As many as make a transaction of some 50 kB. */
const CREATES_PER_TRANSACTION = 500;

/** The znode that a recursive watch is set on: number `index` of all watches, which sessions have in turn. */
export function watchedPath(index: number): string {
  return `/watched/${index}`;
}

/** The znode below it that is changed, and that a one-shot watch is set on. */
export function changedPath(index: number): string {
  return `${watchedPath(index)}/item`;
}

/** Creates the znodes of so many watches. */
export async function createWatched(client: ZooKeeper, count: number): Promise<void> {
  await client.createAll("/watched");
  const creates: MultiOperation[] = [];
  for (let index = 0; index < count; index++) {
    creates.push({ type: "create", path: watchedPath(index) }, { type: "create", path: changedPath(index) });
  }
  for (let first = 0; first < creates.length; first += CREATES_PER_TRANSACTION) {
    await client.multi(creates.slice(first, first + CREATES_PER_TRANSACTION));
  }
}
