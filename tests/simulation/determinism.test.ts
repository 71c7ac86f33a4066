import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { runSeed } from "./run.ts";
import { Scheduler } from "./world/scheduler.ts";
import { Trace } from "./world/trace.ts";

const seeds = [1, 2, 3, 4] as const;

test("a seed runs the same way again, on every runtime, and whether or not anybody reads what it notes", {
  timeout: 120_000,
}, async () => {
  const digests: string[] = [];
  for (const seed of seeds) digests.push((await runSeed(seed)).digest);
  assert.equal(new Set(digests).size, seeds.length);
  assert.deepEqual(await digestsOnBun(), digests);
  const { digest, lines } = await runSeed(seeds[1], { keepLines: true });
  assert.equal(digest, digests[1]);
  assert.ok((lines?.length ?? 0) > 100);
});

test("real time and chance within a run are a violation", async () => {
  const before = { now: Date.now, random: Math.random };
  const [{ guard }, reached] = [await import("./world/guards.ts"), [] as string[]];
  const end = guard((what) => reached.push(what.split("\n", 1)[0] ?? ""));
  try {
    assert.throws(() => Date.now());
    assert.throws(() => new Date());
    assert.throws(() => Math.random());
    assert.throws(() => setTimeout(() => {}, 1));
  } finally {
    end();
  }
  assert.equal(reached.length, 4);
  assert.deepEqual({ now: Date.now, random: Math.random }, before);
});

test("all that an event brings about happens before the next one", async () => {
  const scheduler = new Scheduler(1, new Trace(false));
  const order: string[] = [];
  scheduler.after(1, "a", () => {
    void (async () => {
      for (let i = 0; i < 100; i++) await undefined;
      order.push("a");
    })();
  });
  scheduler.after(1.0001, "b", () => order.push("b"));
  await scheduler.runUntil(2, () => false);
  assert.deepEqual(order, ["a", "b"]);
});

async function digestsOnBun(): Promise<string[]> {
  const bun = fileURLToPath(new URL("../../node_modules/.bin/bun", import.meta.url));
  const program = fileURLToPath(new URL("digest-program.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(bun, [program, ...seeds.map(String)]);
  return JSON.parse(stdout);
}
