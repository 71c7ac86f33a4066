// runtimes: node, bun
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
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

/** The page's script in one piece. */
async function bundle(): Promise<string> {
  const root = new URL("../../", import.meta.url).pathname;
  const args = ["build", `${root}tests/browser/page.ts`, "--target=browser"];
  const { stdout } = await promisify(execFile)(`${root}node_modules/.bin/bun`, args, { maxBuffer: 1e8 });
  return stdout;
}

async function servePage(script: string): Promise<HttpServer> {
  const server = createServer((request, response) => {
    const isScript = request.url === "/page.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? script : '<!doctype html><script type="module" src="/page.js"></script>');
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

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
