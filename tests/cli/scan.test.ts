import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { KvClient } from "../../src/client/index.ts";
import { type EmbeddedCluster, startEmbeddedCluster } from "../support/embedded-cluster.ts";
import { commandFor } from "../support/run-program.ts";
import { runKvlab } from "./run-kvlab.ts";

const timeout = 60_000;

let cluster: EmbeddedCluster;
let router: string;

before(
  async () => {
    cluster = await startEmbeddedCluster();
    router = cluster.routers[0]?.address ?? "";
    await using client = new KvClient({ routers: router });
    for (const key of ["a:1", "a:2", "a:3", "b\t\n"]) await client.put(key, `value of ${key}`);
    await client.put("b\\", Uint8Array.of(0xff, 0x61, 0x07, 0xe2, 0x82, 0xac, 0xe2, 0x82));
    await client.put("c", "one\ntwo\r\tü\u2028", { ttlMs: 3_600_000 });
  },
  { timeout },
);

after(() => cluster.close());

async function scan(...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runKvlab(["scan", ...args, "--router", router]);
  assert.equal(exitCode, 0, stderr);
  return stdout;
}

describe("kvlab scan", () => {
  it("prints a line of key, tab and value for each key, whatever they contain", { timeout }, async () => {
    assert.equal(
      await scan(),
      [
        "a:1\tvalue of a:1",
        "a:2\tvalue of a:2",
        "a:3\tvalue of a:3",
        "b\\t\\n\tvalue of b\\t\\n",
        "b\\\\\t\\xffa\\u{7}€\\xe2\\x82",
        "c\tone\\ntwo\\r\\tü\\u{2028}",
        "",
      ].join("\n"),
    );
  });

  it("accepts a prefix, a range, a limit, either direction, and a key to continue after", {
    timeout,
  }, async () => {
    const keys = async (...args: string[]) => (await scan("--keys-only", ...args)).split("\n").slice(0, -1);
    assert.deepEqual(await keys("a:"), ["a:1", "a:2", "a:3"]);
    assert.deepEqual(await keys("--start", "a:2", "--end", "b"), ["a:2", "a:3"]);
    assert.deepEqual(await keys("--limit", "2"), ["a:1", "a:2"]);
    assert.deepEqual(await keys("--limit=2", "--after=a:2", "--direct"), ["a:3", "b\\t\\n"]);
    assert.deepEqual(await keys("a:", "--reverse", "--limit", "2"), ["a:3", "a:2"]);
    assert.deepEqual(await keys("none"), []);
  });

  it("prints JSON with text or base64, revision and time left with --json", { timeout }, async () => {
    const entries = (await scan("--json", "--start", "b"))
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      entries.map(({ key, text, base64 }) => ({ key, text, base64 })),
      [
        { key: "b\t\n", text: "value of b\t\n", base64: undefined },
        { key: "b\\", text: undefined, base64: "/2EH4oKs4oI=" },
        { key: "c", text: "one\ntwo\r\tü\u2028", base64: undefined },
      ],
    );
    assert.ok(entries.every(({ revision }) => revision > 0));
    assert.ok(entries[2].ttlLeftMs > 0 && entries[2].ttlLeftMs <= 3_600_000);
    assert.ok(!("ttlLeftMs" in entries[0]));
  });

  it("ends quietly when the reader has gone", { timeout }, async () => {
    await using client = new KvClient({ routers: router });
    const value = "x".repeat(10_000);
    await Promise.all(Array.from({ length: 300 }, (_, index) => client.put(`long:${index}`, value)));
    const [command, args] = commandFor(new URL("../../src/cli.ts", import.meta.url), [
      "scan",
      "--router",
      router,
    ]);
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    let stderr = "";
    child.stderr.on("data", (text) => {
      stderr += text;
    });
    await once(child.stdout, "data");
    child.stdout.destroy();
    const [exitCode] = await once(child, "exit");
    assert.deepEqual({ exitCode, stderr }, { exitCode: 141, stderr: "" });
  });
});
