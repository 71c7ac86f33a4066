import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { KvClient } from "../../src/client/index.ts";
import { type EmbeddedCluster, startEmbeddedCluster } from "../support/embedded-cluster.ts";
import { type RunningKvlab, runKvlab, startKvlab } from "./run-kvlab.ts";

const timeout = 60_000;

let cluster: EmbeddedCluster;
let client: KvClient;
let router: string;

before(
  async () => {
    cluster = await startEmbeddedCluster();
    router = cluster.routers[0]?.address ?? "";
    client = new KvClient({ routers: router });
  },
  { timeout },
);

after(async () => {
  client.close();
  await cluster.close();
});

async function watch(...args: string[]): Promise<RunningKvlab> {
  const kvlab = startKvlab(["watch", ...args, "--router", router]);
  await kvlab.says("it watches", () => kvlab.stderr().includes("watching\n"));
  return kvlab;
}

const lines = (kvlab: RunningKvlab) => kvlab.stdout().split("\n").slice(0, -1);
const hasLines = (kvlab: RunningKvlab, count: number) =>
  kvlab.says(`${count} lines`, () => lines(kvlab).length >= count);

describe("kvlab watch", () => {
  it("prints changes of a key, of a prefix or of all keys, as they happen", { timeout }, async () => {
    const watches = await Promise.all([
      watch("w:1"),
      watch("--prefix", "w:"),
      watch("--previous", "--direct"),
    ]);
    await client.put("w:1", "a\tb");
    await client.put("w:2", "c");
    await client.put("w:1", "d");
    await client.delete("w:1");
    await client.put("other", "e");
    const [one, prefix, all] = watches;
    await Promise.all([hasLines(one, 3), hasLines(prefix, 4), hasLines(all, 5)]);
    for (const { signal } of watches) signal("SIGINT");
    assert.deepEqual(await Promise.all(watches.map(({ ended }) => ended)), [0, 0, 0]);
    const expected = ["put\tw:1\ta\\tb", "put\tw:1\td", "delete\tw:1"];
    assert.deepEqual(lines(one), expected);
    assert.deepEqual(
      lines(prefix).filter((line) => line.includes("w:1")),
      expected,
    );
    assert.ok(lines(prefix).includes("put\tw:2\tc"));
    assert.deepEqual(
      lines(all).filter((line) => line.includes("w:1")),
      ["put\tw:1\ta\\tb", "put\tw:1\td\ta\\tb", "delete\tw:1\t\td"],
    );
  });

  it("continues after the token that it printed last, without missing a change", { timeout }, async () => {
    const first = await watch("--prefix", "r:", "--json");
    await client.put("r:1", Uint8Array.of(255));
    await hasLines(first, 1);
    first.signal("SIGINT");
    assert.equal(await first.ended, 0);
    const { token, ...event } = JSON.parse(lines(first)[0] ?? "");
    assert.deepEqual({ ...event, revision: 0 }, { type: "put", key: "r:1", base64: "/w==", revision: 0 });
    await client.put("r:2", "between", { ttlMs: 1 });
    const last = /--after (\S+)\n/.exec(first.stderr())?.[1] ?? "";
    for (const after of [token, last]) {
      const second = startKvlab(["watch", "--prefix", "r:", "--json", "--after", after, "--router", router]);
      await hasLines(second, 2);
      second.signal("SIGTERM");
      assert.equal(await second.ended, 0);
      const types = lines(second).map((line) => JSON.parse(line).type);
      assert.deepEqual(types, ["put", "expire"]);
    }
  });

  it("ends quietly when the reader has gone", { timeout }, async () => {
    const kvlab = await watch("e");
    kvlab.child.stdout?.destroy();
    const writing = new AbortController();
    kvlab.ended.finally(() => writing.abort());
    while (!writing.signal.aborted) await client.put("e", "1");
    assert.equal(await kvlab.ended, 141);
    assert.equal(kvlab.stderr(), "kvlab watch: watching\n");
  });

  it("ends with 2 when the token is malformed", { timeout }, async () => {
    const { exitCode, stderr } = await runKvlab(["watch", "--after", "x", "--router", router]);
    assert.equal(exitCode, 2);
    assert.match(stderr, /^kvlab: watch: not allowed \(this is no token[^\n]*\n$/);
  });
});
