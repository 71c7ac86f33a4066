import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Browser, chromium, type Page } from "playwright-core";

/** Debian's Chromium. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({
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
}

export interface ScriptPage {
  readonly page: Page;
  /** Ends the browser and the server of the page. */
  close(): Promise<void>;
}

/** An empty page of an origin of its own, with a script of ours in it. `script`: a path in the project. */
export async function openScriptPage(script: string): Promise<ScriptPage> {
  return openPage(await bundle(script));
}

/** An empty page of an origin of its own, with this script in it. `onLine` gets what the page writes to its console. */
export async function openPage(
  script: string,
  onLine: (line: string) => void = () => {},
): Promise<ScriptPage> {
  const server = createServer((request, response) => {
    const isScript = request.url === "/page.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? script : '<!doctype html><script type="module" src="/page.js"></script>');
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const browser = await launchChromium();
  const page = await browser.newPage();
  page.on("console", (message) => onLine(message.text()));
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  return {
    page,
    async close() {
      await browser.close();
      server.close();
    },
  };
}

/** The script in one piece, with what the condition `browser` picks. */
async function bundle(script: string): Promise<string> {
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const args = ["build", `${root}${script}`, "--target=browser"];
  const { stdout } = await promisify(execFile)(`${root}node_modules/.bin/bun`, args, { maxBuffer: 1e8 });
  return stdout;
}
