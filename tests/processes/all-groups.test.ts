import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { KvClient } from "kvlab";
import { bufCurl } from "../support/buf-curl.ts";
import { isWhole, makeProcessCluster } from "../support/process-cluster.ts";
import { PythonProgram, writeDescriptors } from "../support/python-program.ts";
import type { ServerProcess } from "../support/server-process.ts";

// What a program of another language does with a router alone, without groups and topology, while primaries are killed.

const timeout = 180_000;
const folder = await mkdtemp(join(tmpdir(), "kvlab-all-groups-"));
const descriptors = join(folder, "schema.binpb");
await writeDescriptors(descriptors);
// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const cluster = await makeProcessCluster();
await cluster.startAll();
const [router = assert.fail(), other = assert.fail()] = cluster.routers;
const kv = new KvClient({ routers: cluster.routers.map(({ address }) => address), deadlineMs: 60_000 });
after(async () => {
  kv.close();
  await cluster.close();
  await rm(folder, { recursive: true, force: true });
});

type Event = readonly [key: string, revision: number];

interface WatchLine {
  readonly events?: readonly Event[];
  readonly token?: string;
  readonly complete?: boolean;
  readonly error?: string;
}

interface ScanLine {
  readonly keys?: readonly string[];
  readonly end?: boolean;
}

function python(server: ServerProcess, ...args: string[]): PythonProgram {
  return new PythonProgram("all-groups.py", [descriptors, server.address, ...args]);
}

/** Reads answers until they have so many events. */
async function told(program: PythonProgram, count: number): Promise<WatchLine[]> {
  const lines: WatchLine[] = [];
  for (let events = 0; events < count; ) {
    const line = await program.next<WatchLine>();
    if (line?.events === undefined) assert.fail(`the watch has ended: ${JSON.stringify(line)}`);
    lines.push(line);
    events += line.events.length;
  }
  return lines;
}

function eventsOf(lines: readonly WatchLine[]): Event[] {
  return lines.flatMap(({ events = [] }) => events);
}

function shown(events: readonly Event[]): string[] {
  return events.map(([key, revision]) => `${key} at ${revision}`).sort();
}

function assertInOrder(events: readonly Event[]): void {
  const last = new Map<string, number>();
  for (const [key, revision] of events) {
    assert.ok(revision > (last.get(key) ?? 0), `${key} at ${revision} comes after ${last.get(key)}`);
    last.set(key, revision);
  }
}

/** Puts 20 keys of both groups in turn. */
async function putInTurn(prefix: string, count: number, acknowledged: Event[]): Promise<void> {
  for (let index = 0; index < count; index++) {
    const key = `${prefix}${index % 20}`;
    const { revision } = await kv.put(key, `${index}`);
    acknowledged.push([key, revision]);
  }
}

test("a Python program watches all groups through one router over kill -9 of a primary, each change once, and another goes on after its token at another router", {
  timeout,
}, async () => {
  const groups = new Set<string>();
  for (let index = 0; index < 20; index++) groups.add((await kv.locate(`w:${index}`)).group);
  assert.equal(groups.size, 2);
  const watch = python(router, "watch", "w:");
  const first = await watch.next<WatchLine>();
  assert.deepEqual([first?.events, first?.complete], [[], true]);
  const acknowledged: Event[] = [];
  await putInTurn("w:", 100, acknowledged);
  const primary = await cluster.primaryOf("zdata1");
  await primary.kill();
  await putInTurn("w:", 100, acknowledged);
  await primary.start();
  await putInTurn("w:", 100, acknowledged);

  const lines = await told(watch, acknowledged.length);
  watch.kill();
  const events = eventsOf(lines);
  assert.deepEqual(shown(events), shown(acknowledged));
  assertInOrder(events);

  const middle = Math.floor(lines.length / 2);
  const rest = eventsOf(lines.slice(middle + 1));
  const next = python(other, "watch", "w:", lines[middle]?.token ?? "");
  const again = eventsOf(await told(next, rest.length));
  await putInTurn("w:", 1, acknowledged);
  const last = eventsOf(await told(next, 1));
  next.kill();
  assert.deepEqual(shown([...again, ...last]), shown([...rest, ...acknowledged.slice(-1)]));
  assertInOrder(again);
  for (const each of cluster.routers) await cluster.topologyOf(each, "all is whole again", isWhole);
});

test("a Python program scans all groups through one router over kill -9 of a primary, each key once and in order", {
  timeout,
}, async () => {
  // More than fits into what lies between the log and the program.
  const keys = Array.from({ length: 800 }, (_, index) => `s:${String(index).padStart(4, "0")}`);
  const value = "v".repeat(50_000);
  for (let index = 0; index < keys.length; index += 20) {
    await Promise.all(keys.slice(index, index + 20).map((key) => kv.put(key, value)));
  }
  const scan = python(router, "scan", "s:");
  const first = await scan.next<ScanLine>();
  const found = [...(first?.keys ?? [])];
  assert.ok(found.length > 0 && found.length < 100);
  const primary = await cluster.primaryOf("zdata2");
  await primary.kill();
  scan.tell("go on");
  for (;;) {
    const line = await scan.next<ScanLine>();
    if (line?.keys === undefined) {
      assert.deepEqual(line, { end: true });
      break;
    }
    found.push(...line.keys);
  }
  assert.deepEqual(found, keys);
  await primary.start();
});

test("buf curl scans all groups, and goes on with a watch after the scan's token", { timeout }, async () => {
  const keys = Array.from({ length: 20 }, (_, index) => `c:${String(index).padStart(2, "0")}`);
  for (const key of keys) await kv.put(key, "1");
  const ask = (method: string, request: object) =>
    bufCurl(
      ...["--http2-prior-knowledge", "--protocol", "grpc", "-d", JSON.stringify(request)],
      `http://${router.address}/kvlab.v1.DataService/${method}`,
    );
  const answers = messagesOf(await ask("Scan", { prefix: "c:", keysOnly: true }));
  const found = answers.flatMap(({ items = [] }) => items.map(({ key }) => key));
  assert.deepEqual(found, keys);
  const limited = messagesOf(await ask("Scan", { prefix: "c:", reverse: true, after: "c:10", limit: 3 }));
  assert.deepEqual(
    limited.flatMap(({ items = [] }) => items.map(({ key }) => key)),
    ["c:09", "c:08", "c:07"],
  );
  const watch = python(other, "watch", "c:", answers[0]?.watchToken ?? assert.fail("a scan has a token"));
  const { revision } = await kv.put("c:03", "2");
  assert.deepEqual(eventsOf(await told(watch, 1)), [["c:03", revision]]);
  watch.kill();
  await assert.rejects(ask("Watch", { afterToken: "nonsense" }), /after_token: this is no token of a watch/);
});

interface ScanMessage {
  readonly items?: readonly { readonly key: string }[];
  readonly watchToken?: string;
}

/** Messages of a stream, as `buf curl` prints them: one after the other. */
function messagesOf(output: string): ScanMessage[] {
  return JSON.parse(`[${output.trim().replaceAll(/\}\s*\{/g, "},{")}]`);
}
