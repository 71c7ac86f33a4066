import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { KvClient, KvError } from "kvlab";
import { startEmbeddedCluster } from "../support/embedded-cluster.ts";

// What docs/coming-from.md shows of kvlab stands here in the same words, and does what the page says.

const cluster = await startEmbeddedCluster();
const client = new KvClient({ routers: cluster.routers.map(({ address }) => address) });
after(async () => {
  client.close();
  await cluster.close();
});

/** How a call fails when a condition does not hold. */
const refused = { name: "KvError", code: "condition-failed" };

test("every call of kvlab on the page is one that these tests make", () => {
  const flat = (text: string) => text.replace(/\s+/g, " ");
  const source = flat(readFileSync(new URL(import.meta.url), "utf8"));
  const page = readFileSync(new URL("../../docs/coming-from.md", import.meta.url), "utf8");
  const rows = page.split("\n").filter((line) => line.startsWith("| kvlab |"));
  const cells = rows.flatMap((row) => [...row.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code));
  const blocks = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code = ""]) => code.trim());
  assert.ok(cells.length > 10 && blocks.length > 0, "the page has calls");
  for (const code of [...cells, ...blocks]) assert.ok(source.includes(flat(code)), code);
});

test("reading and writing", { timeout: 30_000 }, async () => {
  const { revision } = await client.put("a", "1");
  const entry = await client.get("a");
  assert.deepEqual([entry?.text(), entry?.revision], ["1", revision]);
  const [a, b] = await Promise.all([client.get("a"), client.get("b")]);
  assert.deepEqual([a?.text(), b], ["1", undefined]);
  assert.ok(((await client.delete("a"))?.revision ?? 0) > revision);
  assert.equal(await client.delete("a"), undefined, "there was none");
});

test("conditions", { timeout: 30_000 }, async () => {
  const entry = await client.put("a", "1", { ifAbsent: true });
  await assert.rejects(client.put("a", "1", { ifAbsent: true }), { ...refused, revision: entry.revision });
  await client.put("a", "2", { ifPresent: true });
  await assert.rejects(client.put("a", "3", { ifRevision: entry.revision }), refused);
  assert.equal(await increment("n"), 1);
  assert.deepEqual(
    await Promise.all([increment("n"), increment("n"), increment("n")]).then((all) => all.sort()),
    [2, 3, 4],
  );
});

async function increment(key: string): Promise<number> {
  for (;;) {
    const entry = await client.get(key);
    const next = Number(entry?.text() ?? 0) + 1;
    const unchanged = entry === undefined ? { ifAbsent: true } : { ifRevision: entry.revision };
    try {
      await client.put(key, String(next), unchanged);
      return next;
    } catch (error) {
      // Another client was faster: read again.
      if (KvError.from(error).code !== "condition-failed") throw error;
    }
  }
}

test("several keys at once", { timeout: 30_000 }, async () => {
  const { revision } = await client.put("{order 7}/state", "new");
  await client.batch([
    { compare: "{order 7}/state", ifRevision: revision },
    { put: "{order 7}/state", value: "paid" },
    { put: "{order 7}/invoice", value: "12 €", ifAbsent: true },
    { delete: "{order 7}/reminder" },
  ]);
  const [state, invoice] = await Promise.all([
    client.get("{order 7}/state"),
    client.get("{order 7}/invoice"),
  ]);
  assert.equal(state?.text(), "paid");
  assert.equal(state?.revision, invoice?.revision, "one revision for all of it");
  await assert.rejects(
    client.batch([
      { compare: "{order 7}/state", ifRevision: revision },
      { put: "{order 7}/invoice", value: "13 €" },
    ]),
    { ...refused, key: "{order 7}/state", revision: state?.revision },
  );
  assert.equal((await client.get("{order 7}/invoice"))?.text(), "12 €");
  const keys = Array.from({ length: 100 }, (_, index) => ({ put: `apart ${index}`, value: "" }));
  await assert.rejects(client.batch(keys), { code: "invalid", message: /give the keys a common \{tag\}/ });
});

test("keys that expire", { timeout: 30_000 }, async () => {
  const { revision } = await client.put("a", "1", { ttlMs: 5_000 });
  const { ttlLeftMs = 0 } = (await client.get("a")) ?? {};
  assert.ok(ttlLeftMs > 0 && ttlLeftMs <= 5_000);
  await client.put("a", "1", { ifRevision: revision, ttlMs: 5_000 });
  await client.put("a", "1");
  assert.equal((await client.get("a"))?.ttlLeftMs, undefined, "a put without a time makes it last");
});

test("many keys in order", { timeout: 30_000 }, async () => {
  for (const id of [1, 2, 3, 4]) await client.put(`user/${id}`, `user ${id}`);
  const values: string[] = [];
  for await (const entry of client.scan({ prefix: "user/" })) values.push(entry.text());
  assert.deepEqual(values, ["user 1", "user 2", "user 3", "user 4"]);
  assert.deepEqual(await keysOf(client.scan({ start: "user/2", end: "user/4" })), ["user/2", "user/3"]);
  assert.deepEqual(await keysOf(client.scan({ prefix: "user/", reverse: true, limit: 2 })), [
    "user/4",
    "user/3",
  ]);
  assert.deepEqual(await keysOf(client.scan({ prefix: "user/", keysOnly: true, after: "user/2" })), [
    "user/3",
    "user/4",
  ]);
});

async function keysOf(scan: AsyncIterable<{ key: string }>): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of scan) keys.push(key);
  return keys;
}

test("changes as they happen", { timeout: 30_000 }, async () => {
  await client.put("seat/1", "taken");
  const ended = new AbortController();
  const shown: string[] = [];
  let changed = () => {};
  const following = follow(
    "seat/",
    (view) => {
      shown.push(JSON.stringify([...view].sort()));
      changed();
      if (shown.length === 4) ended.abort();
    },
    ended.signal,
  );
  const first = new Promise<void>((resolve) => {
    changed = resolve;
  });
  await first;
  await client.put("seat/1", "free");
  await client.put("seat/2", "taken");
  await client.delete("seat/1");
  await assert.rejects(following, { code: "aborted" });
  assert.equal(shown[0], '[["seat/1","taken"]]');
  assert.equal(shown.at(-1), '[["seat/2","taken"]]');
});

/** Shows the keys with a prefix, now and after each change. */
async function follow(
  prefix: string,
  show: (view: ReadonlyMap<string, string>) => void,
  signal: AbortSignal,
): Promise<void> {
  const view = new Map<string, string>();
  const scan = client.scan({ prefix, signal });
  for await (const entry of scan) view.set(entry.key, entry.text());
  show(view);
  for await (const event of client.watch({ prefix, after: scan.watchToken, signal })) {
    if (event.type === "put") view.set(event.key, event.text());
    else view.delete(event.key);
    show(view);
  }
}

test("changes since the last time", { timeout: 30_000 }, async () => {
  const watch = client.watch({ key: "seat/7" });
  await watch.ready();
  const { revision } = await client.put("seat/7", "taken");
  let token = "";
  for await (const event of watch) {
    token = event.token;
    break;
  }
  await client.delete("seat/7");
  for await (const event of client.watch({ key: "seat/7", after: token, previous: true })) {
    assert.equal(event.type, "delete");
    assert.deepEqual(event.previous, { value: "taken", revision });
    break;
  }
});
