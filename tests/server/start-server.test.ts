import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { KvClient } from "kvlab";
import { startDataNode, startRouter } from "kvlab/server";
import { firstOuterAddress } from "../../src/settings/announced.ts";
import { startZooKeeper } from "../support/zookeeper.ts";

const timeout = 120_000;

describe("servers inside a program", () => {
  let zookeeper: Awaited<ReturnType<typeof startZooKeeper>>;
  const folder = mkdtempSync(join(tmpdir(), "kvlab-servers-"));
  before(async () => {
    zookeeper = await startZooKeeper({ members: 1 });
  });
  after(async () => {
    await zookeeper.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("join a cluster on ZooKeeper, on free ports", { timeout }, async () => {
    const common = { zooaddr: zookeeper.connectString, serverip: "127.0.0.1", serverport: 0 };
    const lines: string[] = [];
    const log = (line: string) => lines.push(line);
    await using node = await startDataNode({ ...common, name: "g", dbfile: join(folder, "db.txt") }, { log });
    await using router = await startRouter({ ...common, virtualnodes: 128 }, { log });
    assert.notEqual(node.url, router.url);
    assert.ok(lines.some((line) => line.startsWith("listening on 127.0.0.1:")));
    await using client = new KvClient({ routers: [router.url] });
    await client.put("a", "1");
    assert.equal((await client.get("a"))?.text(), "1");
  });

  it("are refused with a setting that is unknown or not allowed, by its name", async () => {
    // @ts-expect-error: no such setting
    const unknown = startRouter({ zooadr: "localhost" });
    await assert.rejects(unknown, {
      name: "SettingError",
      message: /^zooadr is not a setting of kvlab router; allowed: zooaddr, serverip, /,
    });
    const refused = startDataNode({ name: "g", minsync: 0 });
    await assert.rejects(refused, { name: "SettingError", message: /^minsync is "0"; allowed: / });
  });

  it("announce the first address that is not loopback when they listen on a free port of all addresses", {
    timeout,
  }, async () => {
    const common = { zooaddr: zookeeper.connectString, serverip: "0.0.0.0", serverport: 0 };
    const lines: string[] = [];
    const log = (line: string) => lines.push(line);
    await using node = await startDataNode(
      { ...common, name: "all", dbfile: join(folder, "all.txt") },
      { log },
    );
    await using router = await startRouter(common, { log });
    for (const { port } of [new URL(node.url), new URL(router.url)]) {
      assert.ok(lines.includes(`listening on 0.0.0.0:${port}, announced as ${firstOuterAddress()}:${port}`));
    }
  });

  it("are refused on a free port of an address that cannot be announced", async () => {
    const zone = startRouter({ serverip: "::1%lo", serverport: 0 });
    await assert.rejects(zone, { name: "SettingError", message: /^serverip is "::1%lo": it means / });
  });

  it("stop starting when the signal says so, and free their port and log", { timeout }, async () => {
    const dbfile = join(folder, "unreached.txt");
    // Nobody listens on port 1.
    const settings = { zooaddr: "127.0.0.1:1", serverip: "127.0.0.1", serverport: 0 };
    for (let round = 0; round < 2; round++) {
      const stopped = new AbortController();
      const starting = startDataNode(
        { ...settings, name: "g", dbfile },
        { signal: stopped.signal, log: () => stopped.abort(new Error("enough")) },
      );
      await assert.rejects(starting, /^Error: enough$/);
    }
    const over = AbortSignal.abort(new Error("too late"));
    await assert.rejects(startRouter(settings, { signal: over }), /^Error: too late$/);
  });
});
