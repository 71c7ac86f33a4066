import process from "node:process";
import { keyOf, uniform, zipf } from "../keys.ts";
import { Latencies } from "../latencies.ts";
import type { Load } from "../load.ts";
import { randomText } from "../values.ts";
import { batchSize, type FillOrder, type RunOrder, scanSize } from "./messages.ts";
import type { Store } from "./store.ts";

/** Puts in flight while a set is filled: as much as a store takes at once without being refused. */
const fillBytesInFlight = 4 * 1024 * 1024;

export async function fill(store: Store, order: FillOrder): Promise<void> {
  const { set, keys, valueBytes, stepPuts = 1 } = order;
  const value = valuesOf(valueBytes);
  const putsInFlight = stepPuts === 1 ? 1000 : 10_000;
  const step = Math.max(1, Math.min(putsInFlight, Math.floor(fillBytesInFlight / valueBytes)));
  for (let from = 0; from < keys; from += step) {
    const some = Array.from({ length: Math.min(step, keys - from) }, (_, index) => keyOf(set, from + index));
    if (stepPuts === 1) await Promise.all(some.map((key) => store.put(key, value())));
    else {
      const steps = Array.from({ length: Math.ceil(some.length / stepPuts) }, (_, at) =>
        some.slice(at * stepPuts, (at + 1) * stepPuts).map((key) => [key, value()] as const),
      );
      await Promise.all(steps.map((pairs) => store.batch(pairs)));
    }
    if (!order.unordered) await store.index(some);
  }
}

/**
 * Lets callers make calls for so long, and waits for the last answers: a call that hangs at the end counts as it is, and
 * the time until then, too.
 */
export async function run(store: Store, order: RunOrder): Promise<Load> {
  const call = callOf(store, order);
  const latencies = new Latencies();
  const cpu = process.cpuUsage();
  const begunMs = performance.now();
  const endMs = begunMs + order.seconds * 1000;
  let failures = 0;
  let failure: string | undefined;
  let lastMs = begunMs;

  const caller = async () => {
    for (let sentMs = performance.now(); sentMs < endMs; sentMs = performance.now()) {
      try {
        if (!(await call())) return;
        lastMs = performance.now();
        latencies.add(lastMs - sentMs);
      } catch (error) {
        failures++;
        failure ??= String(error);
      }
    }
  };
  await Promise.all(Array.from({ length: order.callers }, caller));
  const { user, system } = process.cpuUsage(cpu);
  return {
    operations: latencies.count,
    seconds: (lastMs - begunMs) / 1000,
    failures,
    ...(failure === undefined ? {} : { failure }),
    latencies: latencies.summary,
    clientCpuSeconds: (user + system) / 1e6,
  };
}

/** Makes one call and checks its answer. Resolves with false when there is nothing left to do. */
function callOf(store: Store, order: RunOrder): () => Promise<boolean> {
  const { work, set, keys, valueBytes, keyChoice } = order;
  const choose = keyChoice === "zipf" ? zipf(keys, Math.random) : uniform(keys, Math.random);
  const value = valuesOf(valueBytes);
  const put = async () => {
    await store.put(keyOf(set, choose()), value());
    return true;
  };
  const get = async () => {
    const key = keyOf(set, choose());
    const found = await store.get(key);
    if (found?.length !== valueBytes) throw new Error(`${key} has a value of ${found?.length} bytes`);
    return true;
  };
  let next = 0;
  switch (work) {
    case "put":
      return put;
    case "get":
      return get;
    case "90-10":
      return () => (next++ % 10 === 0 ? put() : get());
    case "delete":
      // Each key once: a delete of none costs nothing.
      return async () => {
        if (next === keys) return false;
        const key = keyOf(set, next++);
        if (!(await store.delete(key))) throw new Error(`${key} was not there`);
        return true;
      };
    case "batch":
      return async () => {
        // Neighbours: the keys of a batch are different.
        const first = choose();
        const pairs = Array.from({ length: batchSize }, (_, index) => {
          return [keyOf(set, (first + index) % keys), value()] as const;
        });
        await store.batch(pairs);
        return true;
      };
    case "scan":
      return async () => {
        const start = keyOf(set, Math.floor(choose() * (1 - scanSize / keys)));
        const found = await store.scan(start, scanSize);
        if (found !== scanSize) throw new Error(`a scan from ${start} has found ${found} keys`);
        return true;
      };
  }
}

/** Values in turns: making a new one for each put would cost the client more than the put. */
function valuesOf(bytes: number): () => string {
  const values = Array.from({ length: 16 }, () => randomText(bytes));
  let next = 0;
  return () => values[next++ % values.length] ?? "";
}
