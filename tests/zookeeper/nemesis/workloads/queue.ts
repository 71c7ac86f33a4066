import assert from "node:assert/strict";
import { Queue, ZooKeeperError } from "../../../../src/zookeeper/index.ts";
import type { NemesisClient } from "../client.ts";
import { pause } from "../faults.ts";
import { leavesNothing, type Round, type Workload } from "../workload.ts";

const ITEMS_EACH = 6;

/** What was put for certain, and how often each item was handled, by round. */
const counted = new WeakMap<Round, { put: Set<string>; handled: Map<string, number>; done: Set<string> }>();

/** Each item that was put is handled at least once, and none after it was done; nothing is left. */
export const queueWorkload: Workload = {
  name: "queue",
  async run(round) {
    const counts = { put: new Set<string>(), handled: new Map<string, number>(), done: new Set<string>() };
    counted.set(round, counts);
    const allDone = new AbortController();
    const signal = AbortSignal.any([round.signal, allDone.signal]);
    const produceAll = async () => {
      await Promise.all(round.clients.map((client) => produce(round, client)));
      await isEmpty(round);
      allDone.abort();
    };
    await Promise.all([produceAll(), ...round.clients.map((client) => work(round, client, signal))]);
  },
  async check(round) {
    const { put, handled } = counted.get(round) ?? assert.fail("the round was run");
    for (const item of put) assert.ok(handled.has(item), `${item} was put and never handled`);
    await leavesNothing(round, `${round.path}/entries`);
    await leavesNothing(round, `${round.path}/taken`);
  },
};

async function produce(round: Round, client: NemesisClient): Promise<void> {
  const { put } = counted.get(round) ?? assert.fail();
  for (let index = 0; index < ITEMS_EACH; index++) {
    const item = `${client.name}, item ${index}`;
    // Put again when it is not known whether it was put.
    for (let isPut = false; !isPut; ) {
      try {
        const queue = new Queue(await client.session(), round.path);
        await queue.put(Buffer.from(item), { priority: index, signal: round.signal });
        isPut = true;
      } catch (error) {
        if (!ZooKeeperError.is(error, "CONNECTION_LOSS", "SESSION_EXPIRED")) throw error;
      }
    }
    put.add(item);
  }
}

async function work(round: Round, client: NemesisClient, signal: AbortSignal): Promise<void> {
  const { handled, done } = counted.get(round) ?? assert.fail();
  while (!signal.aborted) {
    try {
      const queue = new Queue(await client.session(), round.path);
      for (;;) {
        const item = await queue.take({ signal });
        assert.ok(!done.has(item.name), `${item.name} comes again after it was done`);
        const text = Buffer.from(item.data).toString();
        handled.set(text, (handled.get(text) ?? 0) + 1);
        await pause(round.random() * 5);
        if (round.random() < 0.2) await item.release();
        else {
          await item.done();
          done.add(item.name);
        }
      }
    } catch (error) {
      if (!ZooKeeperError.is(error, "ABORTED", "SESSION_EXPIRED")) throw error;
      round.signal.throwIfAborted();
    }
  }
}

async function isEmpty({ observer, path, signal }: Round): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const options = { signal, deadlineMs: Number.POSITIVE_INFINITY };
    await observer.sync(path, options);
    if ((await new Queue(observer, path).size(options)) === 0) return;
    await pause(20);
  }
}
