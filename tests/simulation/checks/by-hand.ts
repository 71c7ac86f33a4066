import type { Change } from "../../../src/cluster/storage/model.ts";
import { GroupFacts } from "./group-facts.ts";

/** A change that puts a text. `previous` is the revision of the value before. */
export function put(key: string, value: string, previous = 0): Change {
  return { kind: "put", key, value: Buffer.from(value), text: true, previous };
}

/** A change that ends a key. */
export function end(kind: "delete" | "expire", key: string, previous: number): Change {
  return { kind, key, value: new Uint8Array(), text: false, previous };
}

/** A log of one epoch, each record committed a millisecond after the one before. */
export function groupOf(...changes: (readonly Change[])[]): GroupFacts {
  const group = new GroupFacts("g");
  for (const [index, each] of changes.entries()) {
    group.committed.push({ epoch: 1, seq: index + 1, changes: each });
    group.committedMs.push(index);
  }
  return group;
}

/** Gives the record at `seq` a request id. */
export function named(group: GroupFacts, seq: number, requestId: string): GroupFacts {
  const record = group.committed[seq - 1];
  if (record !== undefined) group.committed[seq - 1] = { ...record, requestId };
  return group;
}
