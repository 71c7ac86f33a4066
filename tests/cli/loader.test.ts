import assert from "node:assert/strict";
import { test } from "node:test";
import type { KvClient } from "kvlab";
import type { Line } from "../../src/cli/transfer/json-lines.ts";
import { Loader, type PutLine } from "../../src/cli/transfer/loader.ts";

/** Lines of 100 bytes, of two groups. */
const puts: PutLine[] = Array.from({ length: 30_000 }, (_, index) => {
  const key = `k${index % 7000}`;
  const bytes = Buffer.from(`${index}`.padEnd(99));
  const line: Line = {
    number: index + 1,
    start: index * 100,
    end: (index + 1) * 100,
    bytes,
    isTooLong: false,
  };
  return { line, step: { put: key, value: String(index) } };
});

/** The names of what is sent for the lines from `from` on, with their first lines; and where to go on after so many. */
async function run(from: number, importId: string, stopAfter = Number.POSITIVE_INFINITY) {
  const names = new Map<string, string>();
  let isStopped = false;
  const client: Pick<KvClient, "batch" | "locate"> = {
    locate: async (key) => ({ group: Number(key.slice(1)) % 3 === 0 ? "a" : "b" }) as never,
    batch: async (steps, { requestId = "" } = {}) => {
      names.set(requestId, JSON.stringify(steps));
      // Killed: nobody is told what has become of it.
      if (isStopped) await new Promise(() => {});
      return { revision: 1 };
    },
  };
  const loader = new Loader(client, () => assert.fail("no line is bad"), importId);
  for (const put of puts.slice(from)) {
    isStopped = put.line.number - 1 - from >= stopAfter - 5000;
    const taken = loader.add(put);
    if (
      await Promise.race([
        taken.then(() => false),
        new Promise<boolean>((resolve) => setTimeout(resolve, 200, true)),
      ])
    )
      break;
    if (put.line.number - from > stopAfter) break;
  }
  const next = loader.unsettled;
  if (stopAfter === Number.POSITIVE_INFINITY) await loader.settle();
  return { names, next: next === undefined ? 0 : next.number - 1 };
}

test("a continued import sends the batches that a killed import had under way with the same request ids", async () => {
  const killed = await run(0, "i1", 17_000);
  assert.ok(killed.next > 0 && killed.next < 17_000);
  const resumed = await run(killed.next, "i1");
  const settled = await run(0, "i1");
  const open = [...killed.names].filter(([, steps]) => {
    const values: { value: string }[] = JSON.parse(steps);
    return values.some(({ value }) => Number(value) >= killed.next);
  });
  assert.ok(open.length > 3);
  for (const [name, steps] of open) assert.equal(resumed.names.get(name), steps);
  for (const [name, steps] of resumed.names) assert.equal(settled.names.get(name), steps);
});

test("another import uses other request ids for the same lines", async () => {
  const first = await run(25_000, "i1");
  const second = await run(25_000, "i2");
  for (const name of first.names.keys()) assert.ok(!second.names.has(name));
});

test("the last line of a key holds, also when the key has changed hands in between", async () => {
  const stored = new Map<string, unknown>();
  let owner = "a";
  const client: Pick<KvClient, "batch" | "locate"> = {
    locate: async (key) => ({ group: key === "k" ? owner : "b" }) as never,
    batch: async (steps) => {
      for (const step of steps) if ("put" in step) stored.set(step.put, step.value);
      return { revision: 1 };
    },
  };
  const loader = new Loader(client, () => assert.fail("no line is bad"), "i1");
  const [first, second, third] = puts;
  assert.ok(first && second && third);
  await loader.add({ ...first, step: { put: "other", value: "1" } });
  await loader.add({ ...second, step: { put: "k", value: "old" } });
  owner = "b";
  await loader.add({ ...third, step: { put: "k", value: "new" } });
  await loader.settle();
  assert.equal(stored.get("k"), "new");
});
