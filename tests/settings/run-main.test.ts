// apart: it starts processes
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { describe, it } from "node:test";
import { commandFor, runProgram } from "../support/run-program.ts";

const sample = new URL("./sample-program.ts", import.meta.url);

describe("running a program", { timeout: 30_000 }, () => {
  it("ends with the code that it returns", { timeout: 30_000 }, async () => {
    assert.deepEqual(await runProgram(sample, []), { exitCode: 0, stdout: "", stderr: "" });
    assert.equal((await runProgram(sample, ["seven"])).exitCode, 7);
  });

  it("reports a wrong setting in one line and ends with 2", { timeout: 30_000 }, async () => {
    assert.deepEqual(await runProgram(sample, ["badly"]), {
      exitCode: 2,
      stdout: "",
      stderr:
        'sample: HOW is "badly"; allowed: well or seven or setting or exit or error or open or output or throw or reject or nothing\n',
    });
    assert.deepEqual(await runProgram(sample, ["setting"]), {
      exitCode: 2,
      stdout: "",
      stderr: "sample: port is 1926, which is taken; allowed: a free port\n",
    });
  });

  it("reports any other error in one line, with a stack only on request", { timeout: 30_000 }, async () => {
    assert.deepEqual(await runProgram(sample, ["exit"]), {
      exitCode: 3,
      stdout: "",
      stderr: "sample: nobody answers\n",
    });
    const plain = await runProgram(sample, ["error"]);
    assert.equal(plain.exitCode, 1);
    assert.match(plain.stderr, /^sample: [^\n]*\/nonexistent\/file[^\n]*\n$/);
    const debugged = await runProgram(sample, ["error"], { env: { KVLAB_DEBUG: "1" } });
    assert.match(debugged.stderr, /sample-program\.ts:\d+/);
  });

  it("ends at an uncaught error, with 70 and its stack", { timeout: 30_000 }, async () => {
    for (const [how, message] of [
      ["throw", "TypeError: it is thrown"],
      ["reject", "TypeError: it is rejected"],
    ] as const) {
      const { exitCode, stderr } = await runProgram(sample, [how]);
      assert.equal(exitCode, 70);
      assert.ok(stderr.includes(`${message}\n`), stderr);
      assert.match(stderr, /^sample: unexpected error: [\s\S]*sample-program\.ts:\d+/);
    }
    const { exitCode, stderr } = await runProgram(sample, ["nothing"]);
    assert.deepEqual({ exitCode, stderr }, { exitCode: 70, stderr: "sample: unexpected error: undefined\n" });
  });

  it("prints help and ends with 0", { timeout: 30_000 }, async () => {
    const { exitCode, stdout, stderr } = await runProgram(sample, ["--help"]);
    assert.equal(exitCode, 0);
    assert.match(stdout, /^Ends in one way or another\.\n\nUsage: sample \[HOW\]\n/);
    assert.equal(stderr, "");
  });

  it("ends although something is still open", { timeout: 30_000 }, async () => {
    assert.equal((await runProgram(sample, ["open"])).exitCode, 0);
  });

  it("writes out everything before it ends", { timeout: 30_000 }, async () => {
    const { stdout } = await runProgram(sample, ["output"]);
    assert.equal(stdout.length, 3_000_000);
  });

  it("tells in one line that its output cannot be written", { timeout: 30_000 }, async () => {
    const [command, args] = commandFor(sample, ["output"]);
    const child = spawn("sh", ["-c", 'exec "$@" > /dev/full', "sh", command, ...args], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const [stderr, [exitCode]] = await Promise.all([text(child.stderr), once(child, "close")]);
    assert.match(stderr, /^sample: [^\n]*no space left on device[^\n]*\n$/i);
    assert.equal(exitCode, 7);
  });

  it("ends quietly when nobody reads its output any more", { timeout: 30_000 }, async () => {
    const [command, args] = commandFor(sample, ["output"]);
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.once("data", () => child.stdout.destroy());
    const [stderr, [exitCode]] = await Promise.all([text(child.stderr), once(child, "close")]);
    assert.deepEqual({ exitCode, stderr }, { exitCode: 141, stderr: "" });
  });
});
