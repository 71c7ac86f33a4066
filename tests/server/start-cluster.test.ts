import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { KvClient } from "kvlab";
import { startCluster } from "kvlab/server";

const timeout = 60_000;

describe("a cluster inside a program", () => {
  it("serves every key when it has started, and leaves no file behind", { timeout }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "kvlab-place-"));
    const { TMPDIR } = process.env;
    process.env.TMPDIR = folder;
    const cluster = await startCluster({ groups: 3, replicas: 2 });
    try {
      assert.match(cluster.url, /^http:\/\/127\.0\.0\.1:\d+$/);
      await using client = new KvClient({ routers: [cluster.url] });
      const keys = Array.from({ length: 20 }, (_, index) => `key ${index}`);
      for (const key of keys) await client.put(key, "1");
      const entries = [];
      for await (const { key } of client.scan({ prefix: "key " })) entries.push(key);
      assert.equal(entries.length, keys.length);
      assert.equal(readdirSync(folder).length, 1);
    } finally {
      if (TMPDIR === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = TMPDIR;
      await cluster.close();
    }
    assert.deepEqual(readdirSync(folder), []);
    rmSync(folder, { recursive: true });
  });

  it("has the same keys again in the same folder, which one cluster at a time can use", {
    timeout,
  }, async () => {
    const place = mkdtempSync(join(tmpdir(), "kvlab-kept-"));
    const folder = join(place, "data");
    try {
      const lines: string[] = [];
      {
        await using cluster = await startCluster({ folder, log: (line) => lines.push(line) });
        await using client = new KvClient({ routers: [cluster.url] });
        await client.put("a", "kept");
        await assert.rejects(startCluster({ folder }), /is in use by/);
      }
      assert.ok(lines.some((line) => line.startsWith("zdata1: serving as primary")));
      assert.ok(existsSync(folder));
      await using cluster = await startCluster({ folder });
      await using client = new KvClient({ routers: [cluster.url] });
      assert.equal((await client.get("a"))?.text(), "kept");
      // A second time it has nothing to do.
      await cluster.close();
    } finally {
      rmSync(place, { recursive: true, force: true });
    }
  });

  it("is refused with a number of groups or replicas that is not allowed", async () => {
    for (const [options, message] of [
      [{ groups: 0 }, "groups is 0; it must be a whole number from 1 to 16"],
      [{ groups: 1.5 }, "groups is 1.5; it must be a whole number from 1 to 16"],
      [{ replicas: 6 }, "replicas is 6; it must be a whole number from 1 to 5"],
    ] as const) {
      await assert.rejects(startCluster(options), { name: "RangeError", message });
    }
    const misspelt: object = { group: 2 };
    await assert.rejects(startCluster(misspelt), /the cluster has the option "group", which is not known/);
  });
});
