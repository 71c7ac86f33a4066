// runtimes: node, bun
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openScriptPage } from "../support/chromium.ts";
import { startEmbeddedCluster } from "../support/embedded-cluster.ts";
import type { RunCase, WatchAndCall } from "./browser-page.ts";
import { contract } from "./contract.ts";

declare global {
  interface Window {
    runCase: RunCase;
    watchAndCall: WatchAndCall;
  }
}

// The client's contract in Debian's Chromium, in a page of another origin, through routers.

// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const cluster = await startEmbeddedCluster();
const routers = cluster.routers.map(({ address }) => `http://${address}`);
const { page, close } = await openScriptPage("tests/client/browser-page.ts");
after(async () => {
  await close();
  await cluster.close();
});

contract.forEach(({ title }, index) => {
  test(title, { timeout: 60_000 }, () =>
    page.evaluate(([number, urls]) => window.runCase(number, urls), [index, routers] as const),
  );
});

// Browsers open six connections to one address over HTTP/1.1. A stream of each of the two groups would take them with
// three watches.
test("five watches and a scan of all groups leave a connection for other calls", {
  timeout: 60_000,
}, async () => {
  const [router = ""] = routers;
  const told = await page.evaluate((url) => window.watchAndCall(url), router);
  assert.deepEqual(told, { value: "value", keys: 20, events: [20, 20, 20, 20, 20] });
});
