// runtimes: node, bun
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openScriptPage } from "../support/chromium.ts";
import { startEmbeddedCluster } from "../support/embedded-cluster.ts";
import type { Connect, Watch } from "./page.ts";

declare global {
  interface Window {
    connect: Connect;
    watch?: Watch;
  }
}

// A page of another origin, in Debian's Chromium, over gRPC-Web.

// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const cluster = await startEmbeddedCluster();
const { page, close } = await openScriptPage("tests/browser/page.ts");
after(async () => {
  await close();
  await cluster.close();
});

function url(index: number): string {
  return `http://${cluster.routers[index]?.address}`;
}

test("a browser locates, puts, gets and deletes keys through any router", { timeout: 60_000 }, async () => {
  for (const index of [0, 1, 2]) {
    const result = await page.evaluate(async (baseUrl) => {
      const cluster = window.connect(baseUrl);
      const located = await cluster.locate("ключ 😀");
      const first = await cluster.put("ключ 😀", "значение");
      const value = await cluster.get("ключ 😀");
      const last = await cluster.delete("ключ 😀");
      const gone = await cluster.get("ключ 😀").then(
        () => "still there",
        (error: { code: number }) => error.code,
      );
      return { located, first, value, last, gone };
    }, url(index));
    assert.match(result.located.group, /^zdata[12]$/);
    assert.ok(cluster.nodes.some(({ address }) => address === result.located.address));
    assert.equal(result.value, "значение");
    assert.ok(BigInt(result.last) > BigInt(result.first));
    assert.equal(result.gone, 5, "NOT_FOUND");
  }
});

test("a browser that watches the topology is told of a change", { timeout: 60_000 }, async () => {
  const routersSeen = (count: number) =>
    page.waitForFunction((wanted) => window.watch?.seen.at(-1)?.routers === wanted, count);
  await page.evaluate((baseUrl) => {
    window.watch = window.connect(baseUrl).watch();
  }, url(0));
  await routersSeen(3);
  await cluster.routers[2]?.stop();
  await routersSeen(2);
  const seen = await page.evaluate(async () => {
    window.watch?.stop();
    await window.watch?.ended;
    return window.watch?.seen;
  });
  assert.deepEqual(seen?.at(-1)?.groups, ["zdata1", "zdata2"]);
});
