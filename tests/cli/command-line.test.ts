import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { describe, it } from "node:test";
import { commandFor, runProgram } from "../support/run-program.ts";

const cli = new URL("../../src/cli.ts", import.meta.url);
// Each test runs a few processes, which on a busy machine take a second each.
const timeout = 60_000;

const names = [
  "put",
  "get",
  "delete",
  "scan",
  "watch",
  "batch",
  "import",
  "export",
  "locate",
  "status",
  "transfer",
  "recover",
  "repl",
];

const kvlab = (args: readonly string[]) => runProgram(cli, args);

const done = (stdout: string) => ({ exitCode: 0, stdout, stderr: "" });
const failed = (exitCode: number, message: string) => ({
  exitCode,
  stdout: "",
  stderr: `kvlab: ${message}\n`,
});

describe("the kvlab command line", () => {
  it("shows all commands without arguments and with --help", { timeout }, async () => {
    const { exitCode, stdout } = await kvlab([]);
    assert.equal(exitCode, 0);
    for (const name of ["put KEY VALUE", "get KEY", "delete KEY", "scan [PREFIX]", "import [FILE]", "repl"]) {
      assert.ok(stdout.includes(`kvlab ${name} `), name);
    }
    assert.deepEqual(await kvlab(["--help"]), done(stdout));
  });

  it("explains each command with examples", { timeout }, async () => {
    for (const name of names) {
      const { exitCode, stdout, stderr } = await kvlab([name, "--help"]);
      assert.equal(exitCode, 0);
      assert.equal(stderr, "");
      assert.match(stdout, new RegExp(`Usage: kvlab ${name}[^]*--router[^]*Examples:\n  [^]*kvlab ${name}`));
    }
    assert.deepEqual(await kvlab(["help", "put"]), await kvlab(["put", "--help"]));
  });

  it("refuses arguments that are not UTF-8, because different ones would become one key", {
    timeout,
  }, async () => {
    // Only a shell can say such bytes.
    for (const word of ["put 'k\\377' v", "put k 'v\\377'", "get 'k\\376'", "scan --start '\\377'"]) {
      const [command, args] = commandFor(cli, []);
      const script = word.replace(/'(.*?)'/g, "\"$(printf '$1')\"");
      const child = spawn("sh", ["-c", `exec "$@" ${script}`, "sh", command, ...args], { stdio: "pipe" });
      const [stderr, [exitCode]] = await Promise.all([text(child.stderr), once(child, "close")]);
      assert.match(
        stderr,
        /^kvlab: the argument "[^"]*\ufffd" has U\+FFFD, [^\n]*; allowed: UTF-8, [^\n]*\n$/,
      );
      assert.equal(exitCode, 2);
    }
  });

  it("shows no secret that is not UTF-8", { timeout }, async () => {
    for (const given of ['--zooauth "$secret"', '--zooauth="$secret"']) {
      const [command, args] = commandFor(cli, []);
      const script = `secret=$(printf 'me:hunter2\\377'); exec "$@" agent ${given}`;
      const child = spawn("sh", ["-c", script, "sh", command, ...args], { stdio: "pipe" });
      const [stderr, [exitCode]] = await Promise.all([text(child.stderr), once(child, "close")]);
      assert.match(stderr, /^kvlab: the value of --zooauth has U\+FFFD, [^\n]*\n$/);
      assert.ok(!stderr.includes("hunter2"));
      assert.equal(exitCode, 2);
    }
  });

  it("ends with 2 on wrong usage, in one line", { timeout }, async () => {
    const usage: readonly [string[], string][] = [
      [["get"], "KEY must be given; allowed: any text"],
      [["put", "a"], "VALUE must be given; allowed: any text"],
      [["put", "a", "b", "c"], '"c" is one argument too many; allowed: KEY VALUE and flags'],
      [["get", "a", "--timeout", "soon"], 'timeout is "soon"; allowed: a number from 0.001 to 86400'],
      [
        ["get", "a", "--router", "ftp://x"],
        'the router "ftp://x" has the scheme ftp; allowed: http://host:port',
      ],
      [
        ["put", "a", "1", "--ttl", "30"],
        'ttl is "30"; allowed: a number and its unit, one of ms, s, m, h and d, like 30s or 1.5h',
      ],
      [
        ["put", "a", "1", "--if-absent", "--if-revision", "3"],
        "--if-revision and --if-absent are given; allowed: one condition",
      ],
      [["watch", "a", "--prefix", "b"], "KEY and --prefix are given; allowed: one of them"],
      [["export", "--resume"], "--resume is given without a FILE; allowed: with a FILE"],
      [
        ["get", "a", "--fast"],
        "--fast is not a known flag (after --, a dash begins no flag); allowed: --json --router --serverip --serverport --timeout --direct --help",
      ],
    ];
    for (const [args, message] of usage) assert.deepEqual(await kvlab(args), failed(2, message));
    // The runtimes differ in whether this is an address at all.
    const zone = await kvlab(["get", "a", "--serverip", "fe80::1%lo"]);
    assert.equal(zone.exitCode, 2);
    assert.match(zone.stderr, /^kvlab: serverip is "fe80::1%lo"[^\n]*; allowed: [^\n]*\n$/);
    const { exitCode, stderr } = await kvlab(["steal"]);
    assert.equal(exitCode, 2);
    assert.match(stderr, /^kvlab: "steal" is not a command; allowed: put, get, [^\n]*\n$/);
  });
});
