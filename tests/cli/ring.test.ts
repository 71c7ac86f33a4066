import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { after, before, beforeEach, describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { RingOutcome, RingRequestSchema } from "../../gen/kvlab/v1/admin_pb.ts";
import { drawRing } from "../../src/cli/ring/picture.ts";
import { commandFor } from "../support/run-program.ts";
import { cli, runKvlab } from "./run-kvlab.ts";
import { changingRing, quietRing, startToyAdmin, type ToyAdmin } from "./toy-admin.ts";

// Each test runs a few processes, which on a busy machine take a second each.
const timeout = 60_000;

let toy: ToyAdmin;

before(async () => {
  toy = await startToyAdmin();
});

after(() => toy.close());

beforeEach(() => {
  toy.rings = [quietRing()];
  toy.change = {};
  toy.changes.length = 0;
  toy.paces.length = 0;
  toy.aborts.length = 0;
  toy.removed.length = 0;
  toy.withdrawals.length = 0;
});

function kvlab(...args: string[]) {
  return runKvlab(args, { env: { serverip: "127.0.0.1", serverport: String(toy.port) } });
}

const done = (stdout: string) => ({ exitCode: 0, stdout, stderr: "" });

/** What follows the picture. */
function belowPicture(stdout: string): string {
  return stdout.slice(stdout.indexOf("ring version"));
}

describe("kvlab ring", () => {
  it("shows the ring and its groups", { timeout }, async () => {
    const { exitCode, stdout } = await kvlab("ring");
    assert.equal(exitCode, 0);
    assert.match(stdout, /^ +[AB]+\n/);
    assert.equal(
      belowPicture(stdout),
      `ring version 7, 2 virtual nodes a group

   GROUP   POINTS  SHARE   KEYS   SIZE     STATE
A  zdata1  3       55.0 %  1,200  3.3 MiB  in the ring
B  zdata2  3       45.0 %  1,200  3.3 MiB  in the ring
`,
    );
  });

  it("shows a change under way with its moves, and what waits behind it", { timeout }, async () => {
    toy.rings = [changingRing()];
    const { stdout } = await kvlab("ring");
    assert.match(stdout, /\nlower case: keys that are still to move\n/);
    assert.equal(
      belowPicture(stdout),
      `ring version 9, 2 virtual nodes a group

   GROUP   POINTS  SHARE   THEN    KEYS   SIZE     STATE
A  zdata1  3       55.0 %  35.0 %  1,200  3.3 MiB  in the ring
B  zdata2  3       45.0 %  35.0 %  1,200  3.3 MiB  in the ring
C  zdata3  3       20.0 %  30.0 %  1,000  2.0 KiB  enters
   zdata4  -       0.0 %   0.0 %   -      -        waits to enter

change 8: zdata3 enters; 1 of 2 moves done; at most 5,000 keys a second
FROM    TO      SHARE   KEYS          STATE
zdata1  zdata3  20.0 %  -             done
zdata2  zdata3  10.0 %  500 of 2,000  copy, 25 %, 500/s, 0:03 left

then: zdata4 enters
then: 128 virtual nodes a group, at most 9 keys a second
`,
    );
  });

  it("prints the same as JSON", { timeout }, async () => {
    toy.rings = [changingRing()];
    const report = JSON.parse((await kvlab("ring", "--json")).stdout);
    assert.equal(report.version, 9);
    assert.deepEqual(report.change.moves[1], {
      from: "zdata2",
      to: "zdata3",
      share: 0.1,
      state: "copy",
      keys: 500,
      keysTotal: 2000,
      elapsedMs: 1000,
    });
    assert.deepEqual(report.queue, [{ add: "zdata4" }, { virtualNodes: 128, rate: 9 }]);
    assert.equal(report.groups[2].place, "entering");
    assert.match(report.groups[3].waiting, /after change 8/);
  });

  it("warns of an uneven ring, a pause, and a group that holds up the change", { timeout }, async () => {
    const ring = changingRing();
    for (const group of ring.groups) if (group.name === "zdata2") group.nextShare = 0.05;
    if (ring.progress) ring.progress.paused = true;
    for (const group of ring.topology?.groups ?? [])
      if (group.name === "zdata2") group.unavailable = "it is gone";
    toy.rings = [ring];
    const { stdout } = await kvlab("ring");
    assert.deepEqual(
      stdout.split("\n").filter((line) => line.startsWith("warning: ")),
      [
        "warning: ring change 8 is paused; `kvlab ring resume` lets it go on",
        "warning: no keys can move from or to zdata2: it is gone",
        "warning: the ring is uneven: zdata2 has 5.0 %, where 33.3 % would be fair; `kvlab ring set --virtual-nodes 128` makes it more even, and moves keys",
      ],
    );
  });

  it("follows a change until nothing changes any more, a line at each step", { timeout }, async () => {
    toy.rings = [changingRing(), changingRing(1500), quietRing()];
    const { exitCode, stdout } = await kvlab("ring", "--watch");
    assert.equal(exitCode, 0);
    const lines = stdout.trimEnd().split("\n");
    assert.equal(lines.length, 4);
    assert.match(lines[0] ?? "", /^change 8: zdata3 enters; 1 of 2 moves done; .*; 7[45] % {2}500 keys /);
    assert.match(lines[1] ?? "", / 91 % {2}1,500 keys {2}\d{3}\/s {2}0:0\d left$/);
    assert.deepEqual(lines.slice(2), ["change 8 is over", "ring version 7: nothing changes any more"]);
  });

  it("shows a change in place on a terminal", { timeout }, async () => {
    toy.rings = [changingRing(), changingRing(1500), quietRing()];
    const [command, args] = commandFor(cli, ["ring", "--watch", "--router", `127.0.0.1:${toy.port}`]);
    const words = [command, ...args].map((word) => `'${word}'`).join(" ");
    const line = `stty cols 70 rows 20; exec ${words}`;
    const child = spawn("script", ["-qec", line, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
    const shown = await text(child.stdout);
    const [first = "", second = "", last = ""] = shown.split("\u001b[7A\r\u001b[J");
    // Deno first clears the line.
    assert.match(first, /\[#+-+\] {2}7[45] % {2}500 keys .*\r\nchange 8: zdata3 enters/);
    assert.match(second, /^\[#+-+\] {2}91 % {2}1,500 keys {2}[\d,]+\/s {2}0:0\d left\r\n/);
    assert.match(second, /\r\nzdata2 {2}zdata3 {2}10\.0 % {2}1,500 of 2,000 {2}copy, 75 %\r\n/);
    assert.equal(last, "change 8 is over\r\nring version 7: nothing changes any more\r\n");
    for (const each of second.split("\r\n")) assert.ok(each.length < 70, each);
    assert.match(second, /\r\nchange 8: .*; at most 5,000 keys a sec.*…\r\n/);
  });

  it("follows a change in JSON, one report a line", { timeout }, async () => {
    toy.rings = [changingRing(), quietRing()];
    const { stdout } = await kvlab("ring", "--watch", "--json");
    const reports = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      reports.map(({ version, change }) => [version, change?.moves.length]),
      [
        [9, 2],
        [7, undefined],
      ],
    );
  });

  it("names the other commands when one is mistyped", { timeout }, async () => {
    const { exitCode, stderr } = await kvlab("ring", "ad", "zdata3");
    assert.equal(exitCode, 2);
    assert.match(stderr, /"ring ad" is not a command; allowed: ring add, ring drain, ring set, ring remove/);
  });
});

describe("kvlab ring add, drain and set", () => {
  const moves = [
    { from: "zdata1", to: "zdata3", share: 0.2, keys: 1234n, bytes: 4096n },
    { from: "zdata2", to: "zdata3", share: 0.1, keys: 66n, bytes: 1024n },
  ];

  it("ask for the change with its rate, and say that it has begun", { timeout }, async () => {
    toy.change = {
      outcome: RingOutcome.BEGUN,
      change: 8n,
      moves: moves.map(({ from, to, share }) => ({ from, to, share })),
    };
    assert.deepEqual(
      await kvlab("ring", "add", "zdata3", "--rate", "5000"),
      done(`change 8 has begun; \`kvlab ring --watch\` shows how it goes
FROM    TO      SHARE
zdata1  zdata3  20.0 %
zdata2  zdata3  10.0 %
`),
    );
    await kvlab("ring", "drain", "zdata2");
    await kvlab("ring", "set", "--virtual-nodes", "128");
    assert.deepEqual(
      toy.changes.map(({ request, dryRun }) => [request?.change, request?.rate, dryRun]),
      [
        [{ case: "add", value: "zdata3" }, 5000n, false],
        [{ case: "drain", value: "zdata2" }, 0n, false],
        [{ case: "virtualNodes", value: 128 }, 0n, false],
      ],
    );
  });

  it("say with --dry-run how many keys and bytes would move", { timeout }, async () => {
    toy.change = { outcome: RingOutcome.BEGUN, moves };
    assert.deepEqual(
      await kvlab("ring", "add", "zdata3", "--dry-run"),
      done(`keys would be moved:
FROM    TO      SHARE   KEYS   SIZE
zdata1  zdata3  20.0 %  1,234  4.0 KiB
zdata2  zdata3  10.0 %  66     1.0 KiB
all             30.0 %  1,300  5.0 KiB
`),
    );
    assert.equal(toy.changes[0]?.dryRun, true);
    const { stdout } = await kvlab("ring", "add", "zdata3", "--dry-run", "--json");
    assert.deepEqual(JSON.parse(stdout).moves[0], {
      from: "zdata1",
      to: "zdata3",
      share: 0.2,
      keys: 1234,
      bytes: 4096,
    });
  });

  it("say when the change waits, was made at once, or is withdrawn", { timeout }, async () => {
    toy.change = { outcome: RingOutcome.QUEUED, ahead: 2, moves: [{ from: "a", to: "b", share: 0.5 }] };
    const queued = await kvlab("ring", "add", "zdata3");
    assert.equal(
      queued.stdout,
      "it waits for 2 other changes; then keys move:\nFROM  TO  SHARE\na     b   50.0 %\n",
    );
    toy.change = { outcome: RingOutcome.DONE };
    assert.deepEqual(await kvlab("ring", "add", "zdata3"), done("done: no keys had to move\n"));
    toy.change = { outcome: RingOutcome.WITHDRAWN };
    assert.deepEqual(await kvlab("ring", "drain", "zdata3"), done("the group no longer waits to enter\n"));
  });

  it("show the progress with --watch until the change has ended", { timeout }, async () => {
    toy.change = { outcome: RingOutcome.BEGUN, change: 8n, moves };
    toy.rings = [changingRing(), quietRing()];
    const { exitCode, stdout } = await kvlab("ring", "add", "zdata3", "--watch");
    assert.equal(exitCode, 0);
    assert.match(stdout, /^change 8 has begun/);
    assert.match(stdout, /ring version 7: nothing changes any more\n$/);
  });

  it("refuse wrong usage before anything is asked", { timeout }, async () => {
    const missing = await kvlab("ring", "set");
    assert.equal(missing.exitCode, 2);
    assert.match(
      missing.stderr,
      /virtual-nodes must be given \(as --virtual-nodes\); allowed: a whole number from 0 to 10000\n$/,
    );
    assert.equal((await kvlab("ring", "set", "--virtual-nodes", "10001")).exitCode, 2);
    assert.equal((await kvlab("ring", "add")).exitCode, 2);
    assert.equal((await kvlab("ring", "add", "zdata3", "--rate", "fast")).exitCode, 2);
    assert.deepEqual(toy.changes, []);
  });
});

describe("kvlab ring pause, resume, abort and remove", () => {
  it("do so, and say it", { timeout }, async () => {
    toy.rings = [changingRing()];
    assert.deepEqual(await kvlab("ring", "pause"), done("change 8 is paused\n"));
    assert.deepEqual(await kvlab("ring", "resume"), done("change 8 goes on, at most 7 keys a second\n"));
    assert.deepEqual(await kvlab("ring", "resume", "--rate=0"), done("change 8 goes on\n"));
    assert.deepEqual(
      toy.paces.map(({ paused, rate }) => [paused, rate]),
      [
        [true, undefined],
        [false, undefined],
        [false, 0n],
      ],
    );
    toy.aborted = { aborted: 8n, change: 11n };
    assert.deepEqual(
      await kvlab("ring", "abort"),
      done("change 8 is aborted: what has moved goes back with change 11\n"),
    );
    toy.aborted = { aborted: 8n };
    assert.deepEqual(await kvlab("ring", "abort"), done("change 8 is aborted: nothing had moved\n"));
    assert.deepEqual(JSON.parse((await kvlab("ring", "abort", "--json")).stdout), { aborted: 8, queue: [] });
    assert.deepEqual(await kvlab("ring", "remove", "zdata3"), done("zdata3 is removed\n"));
    assert.deepEqual(toy.removed, ["zdata3"]);
  });

  it("name the change: the one that is under way, or the one that is given", { timeout }, async () => {
    for (const command of ["pause", "resume", "abort"]) {
      const { exitCode, stderr } = await kvlab("ring", command);
      assert.deepEqual([exitCode, stderr], [4, `kvlab: ring ${command}: no ring change is under way\n`]);
    }
    toy.rings = [changingRing()];
    for (const operands of [[], ["7"]]) {
      for (const command of ["pause", "resume", "abort"])
        assert.equal((await kvlab("ring", command, ...operands)).exitCode, 0);
    }
    assert.deepEqual(
      toy.paces.map(({ change }) => change),
      [8n, 8n, 7n, 7n],
    );
    assert.deepEqual(toy.aborts, [8n, 7n]);
    assert.equal((await kvlab("ring", "abort", "0")).exitCode, 2);
  });

  it("says which changes wait still after an abort, and drops them when asked to", { timeout }, async () => {
    const [enters, nodes] = changingRing().queue;
    toy.rings = [changingRing()];
    toy.aborted = { aborted: 8n, begun: 12n, queue: changingRing().queue };
    assert.deepEqual(
      await kvlab("ring", "abort"),
      done(`change 8 is aborted: nothing had moved
change 12, which waited, has begun
then: zdata4 enters
then: 128 virtual nodes a group, at most 9 keys a second
\`kvlab ring withdraw\` drops what waits
`),
    );
    toy.withdrawn = { withdrawn: [enters ?? {}, nodes ?? {}] };
    assert.deepEqual(
      await kvlab("ring", "withdraw"),
      done("withdrawn: zdata4 enters\nwithdrawn: 128 virtual nodes a group, at most 9 keys a second\n"),
    );
    toy.withdrawn = { withdrawn: [nodes ?? {}], queue: [enters ?? {}] };
    assert.deepEqual(JSON.parse((await kvlab("ring", "withdraw", "2", "--json")).stdout), {
      withdrawn: [{ virtualNodes: 128, rate: 9 }],
      queue: [{ add: "zdata4" }],
    });
    assert.deepEqual(
      toy.withdrawals.map(({ request }) => request?.change),
      [undefined, { case: "virtualNodes", value: 128 }],
    );
    const { exitCode, stderr } = await kvlab("ring", "withdraw", "3");
    assert.deepEqual(
      [exitCode, stderr],
      [4, "kvlab: ring withdraw: there is no change at place 3: 2 changes wait\n"],
    );
  });

  it("drops no other change than the one at the place, also if the same waits twice", {
    timeout,
  }, async () => {
    const [drain, add] = (["drain", "add"] as const).map((kind) =>
      create(RingRequestSchema, { change: { case: kind, value: "zdata2" } }),
    );
    assert.ok(drain !== undefined && add !== undefined);
    toy.rings = [{ ...changingRing(), queue: [drain, add, drain] }];
    // The router would drop the last one, and zdata2 would be let in again.
    const { exitCode, stderr } = await kvlab("ring", "withdraw", "1");
    assert.deepEqual(
      [exitCode, stderr],
      [
        4,
        "kvlab: ring withdraw: the change at place 1 waits again at place 3, which has to be dropped before\n",
      ],
    );
    assert.deepEqual(toy.withdrawals, []);
    assert.equal((await kvlab("ring", "withdraw", "3")).exitCode, 0);
    assert.equal(toy.withdrawals.length, 1);
  });

  it("end with 4 when the router refuses", { timeout }, async () => {
    const { exitCode, stderr } = await kvlab("ring", "remove", "zdata1");
    assert.equal(exitCode, 4);
    assert.match(stderr, /^kvlab: ring remove zdata1: refused \(.*: group "zdata1" is in the ring\)\n$/);
  });
});

describe("the picture of the ring", () => {
  const groups = ["a", "b", "c"];
  /** The first half belongs to a, a quarter each to b and c; keys of c are still to move to a. */
  const lookAt = (place: number) =>
    place < 0.5
      ? { owner: "a", to: undefined }
      : place < 0.75
        ? { owner: "b", to: undefined }
        : { owner: "c", to: "a" };
  const drawn = (columns: number, colored = false) => drawRing({ groups, lookAt, columns, colored });

  it("is a circle that begins at the top and goes clockwise, in letters that need no colour", () => {
    assert.equal(
      drawn(17),
      `    ccccAAAAA
  ccc       AAA
ccc           AAA
cc             AA
cc             AA
BB             AA
BBB           AAA
  BBB       AAA
    BBBBBAAAA
`,
    );
  });

  it("fits the terminal, and is a line on a very narrow one", () => {
    for (const columns of [200, 80, 40, 20, 17]) {
      const lines = drawn(columns).trimEnd().split("\n");
      assert.ok(
        lines.every((line) => line.length <= columns),
        String(columns),
      );
      assert.ok(lines.length >= 9 && lines.length <= 17, String(columns));
    }
    assert.equal(drawn(13), "AAAAAABBBccc\n");
  });

  it("has as many places for each group as its share, also with more points than places", () => {
    // 1024 parts in turn, of which b has every fourth.
    const many = (place: number) => ({
      owner: Math.floor(place * 1024) % 4 === 0 ? "b" : "a",
      to: undefined,
    });
    const picture = drawRing({ groups, lookAt: many, columns: 80, colored: false });
    const count = (letter: string) => picture.split(letter).length - 1;
    const part = count("B") / (count("A") + count("B"));
    assert.ok(Math.abs(part - 0.25) < 0.15, String(part));
  });

  it("colours each group's letter on a terminal, and says when there are no groups", () => {
    assert.ok(drawn(80, true).includes("\u001b[31mA\u001b[0m"));
    const empty = drawRing({ groups: [], lookAt: () => undefined, columns: 13, colored: false });
    assert.equal(empty, "............\n");
  });

  it("has letters for many groups", () => {
    const names = Array.from({ length: 40 }, (_, index) => `g${index}`);
    const each = (place: number) => ({ owner: names[Math.floor(place * 40)] ?? "", to: undefined });
    const line = drawRing({ groups: names, lookAt: each, columns: 15, colored: false });
    assert.match(line, /^[A-Z]{9}#{5}\n$/);
  });
});
