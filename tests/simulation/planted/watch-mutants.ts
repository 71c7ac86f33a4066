import type { Mutant } from "./mutant.ts";

const hub = "cluster/watch/hub.ts";
const watcher = "cluster/watch/watcher.ts";

/** Bugs in watches. */
export const watchMutants: readonly Mutant[] = [
  {
    name: "a watch goes live one record too early",
    promise: "a watch misses nothing when it has caught up",
    withinSeeds: 40,
    edits: [
      [
        hub,
        "return watcher.at.seq < this.#store.visible.seq;",
        "return watcher.at.seq < this.#store.visible.seq - 1;",
      ],
    ],
  },
  {
    name: "a watch that falls behind is told again what waited for it",
    promise: "a watch tells nothing twice",
    withinSeeds: 40,
    edits: [
      [watcher, "export const queueBytesMax = 256 * 1024;", "export const queueBytesMax = 1000;"],
      [hub, "    watcher.clear();\n    watcher.wake();", "    watcher.wake();"],
    ],
  },
  {
    name: "a watch that falls behind goes on with what comes next",
    promise: "a slow watch misses nothing",
    withinSeeds: 40,
    edits: [
      [watcher, "export const queueBytesMax = 256 * 1024;", "export const queueBytesMax = 1000;"],
      [
        hub,
        "if (!watcher.push({ change, at, revision, previous }, bytesLeft)) this.#drop(watcher);",
        "watcher.push({ change, at, revision, previous }, bytesLeft);",
      ],
    ],
  },
  {
    name: "a watch that catches up is told what is not committed",
    promise: "a watch tells only what stays",
    withinSeeds: 30,
    edits: [[hub, "?.filter(({ seq }) => seq <= visible.seq);", ";"]],
  },
  {
    name: "a watch is resumed without a look at the epoch",
    promise: "a watch goes on only in its own history",
    withinSeeds: 20,
    edits: [
      [
        hub,
        "(after.epoch === 0 || holds({ epochs, last: visible }, after));",
        "(epochs.length > 0 || holds({ epochs, last: visible }, after));",
      ],
    ],
  },
  {
    name: "a watch leaves out what was compacted",
    promise: "a watch says when it has missed something",
    withinSeeds: 60,
    focus: ["compaction"],
    edits: [
      [hub, "    const reason = isOurs ?", "    if (isOurs) return visible;\n    const reason = isOurs ?"],
    ],
  },
  {
    name: "a watch is not woken",
    promise: "a watch is told what happens",
    withinSeeds: 60,
    edits: [[watcher, "    this.#queue.push(event);\n    this.wake();", "    this.#queue.push(event);"]],
  },
  {
    name: "a watch goes on at a primary that has been replaced",
    promise: "a watch is told what happens, over failovers too",
    withinSeeds: 30,
    focus: ["transfer"],
    edits: [
      [
        "cluster/kv/kv-state-machine.ts",
        "this.#watches.watch(options, AbortSignal.any([signal, ended]))",
        "this.#watches.watch(options, signal)",
      ],
    ],
  },
  {
    name: "an event tells the value after it as the one before",
    promise: "a watch tells what was there before",
    withinSeeds: 5,
    edits: [
      [
        "cluster/watch/previous.ts",
        "const value = await later.read().catch(() => undefined);",
        "const value = { ...change, revision };",
      ],
    ],
  },
];
