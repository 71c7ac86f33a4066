// runtimes: node
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { freeRange } from "../support/free-ports.ts";
import { root } from "./installed-package.ts";
import { startCommand } from "./start-command.ts";

const timeout = 120_000;
const folder = mkdtempSync(join(tmpdir(), "kvlab-binary-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const binary = join(folder, "kvlab");
await promisify(execFile)(process.execPath, ["scripts/build-binary.mjs", binary], { cwd: root });

/** Runs the executable in a folder with nothing else, where no other program is found. */
function kvlab(...args: string[]) {
  return promisify(execFile)(binary, args, { cwd: folder, env: { PATH: folder }, timeout: 60_000 });
}

test("a cluster runs from the executable, and takes its calls", { timeout }, async () => {
  const [routerport, dataport] = [await freeRange(3), await freeRange(4)];
  const ports = [`--routerport=${routerport}`, `--dataport=${dataport}`];
  const cluster = startCommand(binary, ["dev", ...ports], folder, folder);
  try {
    await cluster.says("kvlab is running.");
    const router = `--router=127.0.0.1:${routerport}`;
    await kvlab("put", "greeting", "hello", router);
    assert.equal((await kvlab("get", "greeting", router)).stdout, "hello");
    assert.match((await kvlab("status", router)).stdout, /zdata1[\s\S]*zdata2/);
    // The schema by which the servers describe themselves is in it.
    const buf = join(root, "node_modules", ".bin", "buf");
    const method = `http://127.0.0.1:${routerport}/kvlab.v1.DataService/Get`;
    const args = ["curl", "--http2-prior-knowledge", "--protocol=grpc", '--data={"key":"greeting"}', method];
    const { stdout } = await promisify(execFile)(process.execPath, [buf, ...args]);
    assert.equal(JSON.parse(stdout).text, "hello");
  } finally {
    await cluster.end();
  }
});

test("the executable starts a router and a data node, and says that it has no native driver", {
  timeout,
}, async () => {
  for (const args of [["router"], ["data", "--name=g"]]) {
    const help = await kvlab(args[0] ?? "", "--help");
    assert.match(help.stdout, new RegExp(`^Runs a [\\s\\S]*Usage: kvlab ${args[0]} `));
    const [port] = [await freeRange(1)];
    const settings = ["--serverip=127.0.0.1", `--serverport=${port}`, "--zkdriver=native"];
    await assert.rejects(kvlab(...args, ...settings), ({ code, stderr }) => {
      assert.match(
        stderr,
        /kvlab: zkdriver=native runs on Node\.js only, and this is bun; zkdriver=wire runs/,
      );
      return code === 2;
    });
  }
});

test("the executable takes no settings from a .env file that happens to be there", { timeout }, async () => {
  writeFileSync(join(folder, ".env"), "zooaddr=:\n");
  // Settings are checked in their order: that of the file would be first.
  const isOfPort = ({ stderr }: { stderr: string }) => /^kvlab: serverport is "0"/.test(stderr);
  await assert.rejects(kvlab("router", "--serverip=127.0.0.1", "--serverport=0"), isOfPort);
});

test("the executable has its licence and those of others, and knows its version", { timeout }, async () => {
  const { stdout } = await kvlab("licenses");
  for (const name of ["LICENSE", "THIRD-PARTY-NOTICES.md", "proto/grpc/LICENSE"]) {
    assert.ok(stdout.includes(readFileSync(join(root, name), "utf8")), name);
  }
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  assert.equal((await kvlab("--version")).stdout, `kvlab ${version}\n`);
});

test("the notices name every package that is in the executable", () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const notices = readFileSync(join(root, "THIRD-PARTY-NOTICES.md"), "utf8");
  for (const name of [...Object.keys(dependencies), "Bun"]) assert.ok(notices.includes(name), name);
});
