import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { brokenOff, keyFailure } from "../../src/cli/key-failure.ts";
import { KvError } from "../../src/client/index.ts";
import { exitCodeTable } from "../../src/settings/exit-codes.ts";
import { ExitError } from "../../src/settings/run-main.ts";
import { commandFor } from "../support/run-program.ts";
import { cli, runKvlab } from "./run-kvlab.ts";
import { startToyRouter, type ToyRouter } from "./toy-router.ts";

const timeout = 60_000;

let toy: ToyRouter;

before(async () => {
  toy = await startToyRouter();
});

after(() => toy.close());

/** Runs kvlab in a shell line, where "$@" stands for it. */
async function shell(script: string, ...args: string[]) {
  const [command, commandArgs] = commandFor(cli, [...args, "--router", toy.url]);
  const child = spawn("bash", ["-c", script, "bash", command, ...commandArgs], { stdio: "pipe" });
  const [stdout, stderr, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  return { stdout, stderr, exitCode };
}

describe("exit codes of kvlab", () => {
  it("are the same in --help, in the README and in the code", { timeout }, async () => {
    const { stdout } = await runKvlab(["--help"]);
    const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
    for (const [code, meaning] of exitCodeTable) {
      assert.ok(stdout.includes(`${code}  ${meaning}\n`), `--help: ${code}`);
      assert.ok(readme.includes(`| ${code} | ${meaning} |\n`), `README: ${code}`);
    }
    assert.equal(new Set(exitCodeTable.map(([code]) => code)).size, exitCodeTable.length);
  });

  it("distinguish work that was done but could not be printed from work that was not done", {
    timeout,
  }, async () => {
    const full = await shell('"$@" > /dev/full', "put", "full", "1");
    assert.equal(full.exitCode, 7);
    assert.match(
      full.stderr,
      /^kvlab: what was asked is done, but standard output cannot be written [^\n]*\n$/,
    );
    assert.deepEqual(toy.values.get("full"), { case: "text", value: "1" });
    assert.equal((await shell('"$@" > /dev/full', "get", "nope")).exitCode, 1);
    assert.equal((await shell('"$@" > /dev/full', "--help")).exitCode, 7);
  });

  it("are those of SIGPIPE when nobody reads the output, as for other programs", { timeout }, async () => {
    toy.values.set("large", { case: "text", value: "x".repeat(1_000_000) });
    const { exitCode, stdout, stderr } = await shell(
      `"$@" | head -c 5; echo " \${PIPESTATUS[0]}"`,
      "get",
      "large",
    );
    assert.deepEqual({ exitCode, stdout, stderr }, { exitCode: 0, stdout: "xxxxx 141\n", stderr: "" });
  });

  it("do not say that nothing was done after a part was done", () => {
    const failed = keyFailure("scan", "read", new KvError("unavailable", "nobody answers"));
    const codeOf = (reason: unknown) => (reason instanceof ExitError ? reason.exitCode : undefined);
    assert.equal(codeOf(brokenOff(failed, 0, "key", "printed")), 3);
    const part = brokenOff(failed, 1, "key", "printed");
    assert.equal(codeOf(part), 6);
    assert.match(String(part), /; 1 key is printed already$/);
    const lost = keyFailure("watch", "read", new KvError("history-lost", "it is gone"));
    assert.equal(codeOf(brokenOff(lost, 2, "change", "printed")), 8);
  });
});
