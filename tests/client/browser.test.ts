// runtimes: node, bun
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
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
const site = await servePage(await bundle());
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const page = await browser.newPage();
await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`);
after(async () => {
  await browser.close();
  site.close();
  await cluster.close();
});

/** The page's script in one piece: the build of the client that the condition `browser` picks. */
async function bundle(): Promise<string> {
  const root = new URL("../../", import.meta.url).pathname;
  const args = ["build", `${root}tests/client/browser-page.ts`, "--target=browser"];
  const { stdout } = await promisify(execFile)(`${root}node_modules/.bin/bun`, args, { maxBuffer: 1e8 });
  return stdout;
}

async function servePage(script: string): Promise<Server> {
  const server = createServer((request, response) => {
    const isScript = request.url === "/page.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? script : '<!doctype html><script type="module" src="/page.js"></script>');
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

contract.forEach(({ title }, index) => {
  test(title, { timeout: 60_000 }, () =>
    page.evaluate(([number, urls]) => window.runCase(number, urls), [index, routers] as const),
  );
});
