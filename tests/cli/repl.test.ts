import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { commandFor, runProgram } from "../support/run-program.ts";
import { startToyRouter, type ToyRouter } from "./toy-router.ts";

const cli = new URL("../../src/cli.ts", import.meta.url);
const timeout = 60_000;

let toy: ToyRouter;

before(async () => {
  toy = await startToyRouter();
});

after(() => toy.close());

describe("kvlab repl", () => {
  it("runs the commands of its input in order, to the end", { timeout }, async () => {
    const lines = [
      "put a 1",
      "read a",
      String.raw`put 'the key' "zwei\n\u{1F600} words"`,
      "read the\\ key",
      "locate a",
      "",
      "delete a",
      "put last 日本",
      "read last",
    ];
    assert.deepEqual(await repl(lines.join("\n")), {
      exitCode: 0,
      stdout: `ok, revision 1
1
ok, revision 2
zwei
😀 words
g 127.0.0.1:2000
deleted, revision 3
ok, revision 4
日本
`,
      stderr: "",
    });
  });

  it("prints errors and continues", { timeout }, async () => {
    const lines = ["reed a", "put a", 'put "a b', "read nope", "put is\\ invalid 1", "put b 2", "read b"];
    const { exitCode, stdout, stderr } = await repl(`${lines.join("\n")}\n`);
    // As of the first error.
    assert.equal(exitCode, 2);
    assert.match(stdout, /^ok, revision \d+\n2\n$/);
    assert.deepEqual(stderr.split("\n"), [
      'error: "reed" is not a command; allowed: locate, put, get, read, delete, scan, watch, status, help, quit',
      "error: VALUE must be given; allowed: any text",
      'error: a " is not closed',
      'error: get "nope": not found',
      'error: put "is invalid": not allowed (the value has 5 bytes; at most 4 are allowed)',
      "",
    ]);
  });

  it("accepts the flags of the commands, except those that say where the cluster is", {
    timeout,
  }, async () => {
    const { stdout, stderr } = await repl(
      "put 'a b' 1 --json\nget 'a b' --json\nget a --router x\nput --help\n",
    );
    const [put, get, ...help] = stdout.split("\n");
    const { revision } = JSON.parse(put ?? "");
    assert.deepEqual(JSON.parse(get ?? ""), { key: "a b", text: "1", revision });
    assert.ok(help.includes("  --ttl TIME") && !help.includes("  --router URL"));
    assert.match(stderr, /^error: --router is not a known flag [^\n]*\n$/);
  });

  it("ends with the exit code of a command that is no error", { timeout }, async () => {
    const { groups } = toy.topology;
    toy.topology.groups = groups.map((group) => ({ ...group, nodes: [], unavailable: "none is there" }));
    try {
      assert.equal((await repl("status\nput a 1\n")).exitCode, 3);
    } finally {
      toy.topology.groups = groups;
    }
  });

  it("stores values of millions of characters, quoted, escaped or neither", { timeout }, async () => {
    const characters = 1_500_000;
    const lines = [`put a "${"x".repeat(characters)}"`, `put b ${"\\n".repeat(characters / 2)}`];
    const { exitCode, stderr } = await repl(`${lines.join("\n")}\nput c '${"é".repeat(characters)}'\n`);
    assert.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: "" });
    const lengths = ["a", "b", "c"].map((key) => toy.values.get(key)?.value?.length);
    assert.deepEqual(lengths, [characters, characters / 2, characters]);
  });

  it("ends a line at a line feed only, with or without a carriage return", { timeout }, async () => {
    const { exitCode, stderr } = await repl(
      "put a 'x\u2028y\u2029z'\r\nput b \"x\ry\"\nput split x\u2028y\nput d 1",
    );
    assert.match(stderr, /^error: "y" is one argument too many; [^\n]*\n$/);
    assert.equal(exitCode, 2);
    const values = ["a", "b", "split", "d"].map((key) => toy.values.get(key)?.value);
    assert.deepEqual(values, ["x\u2028y\u2029z", "x\ry", undefined, "1"]);
  });

  it("refuses a line that is not UTF-8, and continues", { timeout }, async () => {
    const stdin = Buffer.concat([
      Buffer.from("put k"),
      Buffer.of(0xff),
      Buffer.from(" v1\nput \\u{fffd} meant\nget \\u{fffd}\n"),
    ]);
    const { exitCode, stdout, stderr } = await repl(stdin);
    assert.equal(exitCode, 2);
    assert.match(stdout, /^ok, revision \d+\nmeant\n$/);
    assert.match(stderr, /^error: the line has U\+FFFD, [^\n]*\n$/);
    assert.equal(toy.values.has("k\ufffd"), false);
  });

  it("ends with quit, and explains itself with help", { timeout }, async () => {
    const { stdout } = await repl("help\nquit\nput never 1\n");
    for (const name of ["locate KEY", "put KEY VALUE", "read KEY", "scan [PREFIX]", "help", "quit"]) {
      assert.ok(stdout.includes(`${name} `), name);
    }
    assert.ok(!toy.values.has("never"));
  });

  it("shows bytes that are not text in base64", { timeout }, async () => {
    toy.values.set("bytes", { case: "bytes", value: Uint8Array.of(0xff, 0x00) });
    assert.equal((await repl("read bytes\n")).stdout, "(2 bytes that are not text, in base64) /wA=\n");
  });

  it("shows text that cannot control the terminal", { timeout }, async () => {
    toy.values.set("text", { case: "text", value: "a\u001b[2Jb\n\tc\r\u009b" });
    assert.equal((await repl("read text\n")).stdout, "a\\u{1b}[2Jb\n\tc\\u{d}\\u{9b}\n");
  });

  it("answers each line when it arrives", { timeout }, async () => {
    const [command, args] = commandFor(cli, ["repl", "--router", toy.url]);
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    child.stdin.write("put t 1\n");
    assert.match(String(await once(child.stdout, "data")), /^ok, revision \d+\n$/);
    child.stdin.end("read t");
    assert.equal(await text(child.stdout), "1\n");
  });

  it("runs everything, and ends with 141, when nobody reads the output", { timeout }, async () => {
    toy.values.set("large", { case: "text", value: "x".repeat(1_000_000) });
    const [command, args] = commandFor(cli, ["repl", "--router", toy.url]);
    const script = `"$@" | head -c 5; echo " \${PIPESTATUS[0]}"`;
    const child = spawn("bash", ["-c", script, "bash", command, ...args], { stdio: "pipe" });
    child.stdin.end("get large\nput late 1\nget late\n");
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    assert.deepEqual({ stdout, stderr }, { stdout: "xxxxx 141\n", stderr: "" });
    assert.ok(toy.values.has("late"));
  });

  it("edits and recalls lines on a terminal, and ends with Ctrl-D", { timeout }, async () => {
    const [command, args] = commandFor(cli, ["repl", "--router", toy.url]);
    const line = [command, ...args].map((word) => `'${word}'`).join(" ");
    const child = spawn("script", ["-qec", line, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
    let shown = "";
    child.stdout.setEncoding("utf8").on("data", (chunk) => {
      shown += chunk;
    });
    const shows = async (part: string) => {
      while (!shown.includes(part)) await once(child.stdout, "data", { signal });
      shown = shown.slice(shown.indexOf(part) + part.length);
    };
    const signal = AbortSignal.timeout(20_000);
    const [up, left, backspace, clear, end] = ["\u001b[A", "\u001b[D", "\u007f", "\u0003", "\u0004"];
    try {
      await shows("kvlab> ");
      child.stdin.write("put x 1\r");
      await shows("ok, revision ");
      child.stdin.write(`half a line${clear}${up}${left}${left}yü${left}${backspace}\r`);
      await shows("ok, revision ");
      child.stdin.write(end);
      assert.equal((await once(child, "close", { signal }))[0], 0);
    } finally {
      child.kill("SIGKILL");
    }
    assert.deepEqual(toy.values.get("xü"), { case: "text", value: "1" });
  });
});

function repl(stdin: string | Uint8Array) {
  return runProgram(cli, ["repl", "--router", toy.url], { stdin });
}
