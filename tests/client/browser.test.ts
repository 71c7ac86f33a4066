// runtimes: node, bun
import { after, test } from "node:test";
import { openScriptPage } from "../support/chromium.ts";
import { startEmbeddedCluster } from "../support/embedded-cluster.ts";
import type { RunCase } from "./browser-page.ts";
import { contract } from "./contract.ts";

declare global {
  interface Window {
    runCase: RunCase;
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
