import { compareSequences } from "../contenders.ts";

/** The names of a queue's entries: `entry-[priority, three digits]-[number, ten digits]`, as of kazoo's LockingQueue. */
export interface Entry {
  readonly name: string;
  /** From 0, which is taken first, to 999. */
  readonly priority: number;
  /** What ZooKeeper has appended: after 2147483647 it goes on with -2147483648. */
  readonly number: number;
}

export const PRIORITY_MAX = 999;

/** The name of a new entry, to which ZooKeeper appends the number. */
export function entryPrefix(priority: number): string {
  return `entry-${String(priority).padStart(3, "0")}-`;
}

/** Undefined when the name is none of an entry. */
export function parseEntry(name: string): Entry | undefined {
  const [, priority, number] = /^entry-(\d{3})-(\d{10}|-\d{1,10})$/.exec(name) ?? [];
  if (priority === undefined || number === undefined) return undefined;
  return { name, priority: Number(priority), number: Number(number) };
}

/** The order in which entries are taken: by priority, then as they were put. */
export function compareEntries(a: Entry, b: Entry): number {
  return a.priority - b.priority || compareSequences(a.number, b.number);
}
