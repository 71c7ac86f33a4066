import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ScanResponse } from "../../../gen/kvlab/v1/data_pb.ts";
import { HistoryLostSchema, NotAppliedSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import { positionsOf, tokenOf } from "../../../src/client/positions.ts";
import { keyValue, scanned, type ToyPrimary } from "../../support/toy-groups.ts";
import { event, shown, ToyLog } from "../../support/toy-log.ts";
import { routerOf, started, twoLogs } from "../../support/toy-router.ts";
import type { VirtualClock } from "../../support/virtual-clock.ts";
import { answeringLate } from "./answering-late.ts";

function never(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

/** A log whose watches say first that it had come to this revision. */
function knowing(log: ToyLog, lastRevision: bigint): ToyPrimary {
  return {
    async *watch(request, signal) {
      let isFirst = true;
      for await (const answer of log.watch(request, signal)) {
        yield isFirst ? { ...answer, lastRevision } : answer;
        isFirst = false;
      }
    },
  };
}

test("a watch without a group first says where all groups are, and then tells the changes of all", async () => {
  const { router, g, h } = twoLogs();
  const watch = router.watch();
  const first = await watch.next();
  assert.deepEqual([first.events.length, first.complete], [0, true]);
  const positions = positionsOf(first.token);
  assert.equal(positions.cluster, "c1");
  assert.deepEqual(Object.fromEntries(positions.groups), {
    g: { revision: 10n, epoch: 1n },
    h: { revision: 20n, epoch: 1n },
  });
  g.append(event("a", 11n), event("b", 12n));
  const ofG = await watch.events();
  assert.deepEqual([ofG.group, shown(ofG), ofG.revision], ["g", ["a11", "b12"], 12n]);
  h.append(event("c", 21n));
  const ofH = await watch.events();
  assert.deepEqual([ofH.group, shown(ofH)], ["h", ["c21"]]);
  const last = Object.fromEntries(positionsOf(ofH.token).groups);
  assert.deepEqual([last.g?.revision, last.h?.revision], [12n, 21n]);
});

test("a watch goes on after a token, at whichever router, with what is new in each group", async () => {
  const { router, groups, clock, g, h } = twoLogs();
  const watch = router.watch();
  await watch.next();
  g.append(event("a", 11n));
  const { token } = await watch.events();
  watch.leave();
  h.append(event("c", 21n));
  g.append(event("a", 12n));
  const other = routerOf(groups, clock).watch({ afterToken: token });
  const told = [...shown(await other.events()), ...shown(await other.events())];
  assert.deepEqual(told.sort(), ["a12", "c21"]);
});

test("a token does not say more than was told, whatever has come from the groups meanwhile", async () => {
  const { router, clock, groups, g, h } = twoLogs();
  const watch = router.watch();
  await watch.next();
  g.append(event("a", 11n));
  h.append(event("c", 21n));
  await clock.pass(100);
  const first = await watch.events();
  const rest = await routerOf(groups, clock).watch({ afterToken: first.token }).events();
  assert.deepEqual([...shown(first), ...shown(rest)].sort(), ["a11", "c21"]);
});

test("a group whose primary goes is told on from where it was, each change once", async () => {
  const { router, groups, g } = twoLogs();
  const watch = router.watch();
  await watch.next();
  g.append(event("a", 11n));
  assert.deepEqual(shown(await watch.events()), ["a11"]);
  g.fault = new ConnectError("the primary has been replaced", Code.Unavailable);
  g.append(event("a", 12n));
  assert.deepEqual(shown(await watch.events()), ["a12"]);
  const asked = groups.watches.filter(({ group }) => group === "g").map(({ afterRevision }) => afterRevision);
  assert.deepEqual(asked, [undefined, 11n]);
});

test("what only a watch of one group can have is refused without a group", async () => {
  const { router } = twoLogs();
  for (const request of [{ afterRingChange: 2n }, { fromNow: true }, { afterEpoch: 1n }]) {
    assert.equal((await router.watch(request).failure()).code, Code.InvalidArgument);
  }
});

test("changes of keys that have come from another group wait until all those of the other group were told", async () => {
  const { router, clock, g, h } = twoLogs();
  const watch = router.watch();
  await watch.next();
  h.mark({ taken: [{ from: "g", revision: 12n }] });
  await clock.pass(100);
  h.append(event("a", 22n));
  await clock.pass(100);
  g.append(event("a", 11n), event("a", 12n));
  const told = [await watch.events(), await watch.events()];
  assert.deepEqual(
    told.map((answer) => [answer.group, shown(answer)]),
    [
      ["g", ["a11", "a12"]],
      ["h", ["a22"]],
    ],
  );
});

for (const first of ["g", "h"]) {
  test(`keys that move while a watch begins are told of at both groups, and the answer of ${first} comes first`, async () => {
    const { router, groups, clock, g, h } = twoLogs();
    // What g says is from before it gave the keys, and what h says from after a change there.
    h.append(event("a", 21n), event("b", 22n));
    h.accepted = [{ from: "g", revision: 12n, afterRevision: 20n, ringChange: 2n }];
    groups.primaries.g = answeringLate(g, clock, first === "g" ? 100 : 200);
    groups.primaries.h = answeringLate(h, clock, first === "h" ? 100 : 200);
    const watch = router.watch();
    const { token } = await watch.next();
    const begun = positionsOf(token).groups;
    assert.deepEqual([begun.get("g")?.revision, begun.get("h")?.revision], [10n, 20n]);
    g.append(event("a", 11n), event("b", 12n));
    const told = [await watch.events(), await watch.events()];
    assert.deepEqual(told.map(shown), [
      ["a11", "b12"],
      ["a21", "b22"],
    ]);
    assert.deepEqual([g.open, h.open], [1, 1]);
  });
}

test("a group that a router does not know yet, and had keys of another one, is told from now on, too", async () => {
  const { router, groups, clock, h } = twoLogs();
  const i = new ToyLog(30n);
  i.append(event("a", 31n));
  groups.primaries.i = i;
  // Its keys came to h before the watch begins, with those that were changed since.
  h.accepted = [{ from: "i", revision: 31n, afterRevision: 15n, ringChange: 4n }];
  clock.timer(1000, () => groups.ring(5, ["g", "h", "i"]));
  const watch = router.watch();
  const begun = positionsOf((await watch.next()).token).groups;
  assert.deepEqual([begun.get("h")?.revision, begun.get("i")?.revision], [20n, 31n]);
  i.append(event("b", 32n));
  assert.deepEqual(shown(await watch.events()), ["b32"]);
});

test("after the token of a scan, which saw one group before and one after keys moved, changes come in order", async () => {
  const { groups, clock, g, h } = twoLogs();
  h.accepted = [
    { from: "g", revision: 12n, afterRevision: 19n, ringChange: 1n },
    { from: "long gone", revision: 5n, afterRevision: 3n, ringChange: 1n },
  ];
  h.append(event("a", 22n));
  const afterToken = tokenOf({
    cluster: "c1",
    ring: { version: 1n, change: 1n },
    groups: new Map([
      ["g", { revision: 10n, epoch: 1n }],
      ["h", { revision: 20n, epoch: 1n }],
    ]),
  });
  const watch = routerOf(groups, clock).watch({ afterToken });
  const telling = watch.events();
  await clock.pass(100);
  g.append(event("a", 11n), event("a", 12n));
  const told = [await telling, await watch.events()];
  assert.deepEqual(
    told.map((answer) => [answer.group, shown(answer)]),
    [
      ["g", ["a11", "a12"]],
      ["h", ["a22"]],
    ],
  );
});

test("changes do not wait for those of a revision that its group has lost, to an operator who has given up its end", async () => {
  const { groups, clock, router, h } = twoLogs();
  const recovered = new ToyLog(3n, 8n);
  groups.primaries.g = knowing(recovered, 5n);
  h.accepted = [{ from: "g", revision: 50_000n, afterRevision: 15n, ringChange: 1n }];
  h.append(event("b", 21n));
  const afterToken = tokenOf({
    cluster: "c1",
    ring: { version: 1n, change: 2n },
    groups: new Map([
      ["g", { revision: 3n, epoch: 8n }],
      ["h", { revision: 20n, epoch: 1n }],
    ]),
  });
  const watch = router.watch({ afterToken });
  const telling = watch.events();
  await clock.pass(100);
  // What it had when the watch began comes first all the same.
  recovered.append(event("a", 4n, 8n), event("a", 5n, 8n));
  assert.deepEqual([shown(await telling), shown(await watch.events())], [["a4", "a5"], ["b21"]]);
});

test("a group that keys are given to is watched from before it has taken them, and is named in the next token", async () => {
  const { router, clock, groups, g } = twoLogs();
  const watch = router.watch();
  await watch.next();
  const late = new ToyLog(0n);
  late.append(event("n", 1n));
  groups.primaries.i = late;
  g.mark({ given: { to: "i", ringChange: 2n } });
  await clock.pass(100);
  groups.ring(2, ["g", "h", "i"]);
  const answer = await watch.events();
  assert.deepEqual([answer.group, shown(answer)], ["i", ["n1"]]);
  const asked = groups.watches
    .filter(({ group }) => group === "i")
    .map(({ afterRingChange }) => afterRingChange);
  assert.deepEqual(asked, [2n]);
  assert.ok(positionsOf(answer.token).groups.has("i"));
});

test("a group that has left the ring, and has told everything, is watched no longer", async () => {
  const { router, groups, clock, g, h } = twoLogs();
  const watch = router.watch();
  await watch.next();
  groups.ring(3, ["h"]);
  g.mark({ hasLeft: true });
  await clock.pass(100);
  h.append(event("c", 21n), event("c", 22n));
  await watch.events();
  await clock.until("its watch has ended", () => g.open === 0);
  h.append(event("c", 23n));
  assert.deepEqual(shown(await watch.events()), ["c23"]);
});

test("a group that comes back before it was read that it has left is watched on", async () => {
  const { router, groups, clock, g, h } = twoLogs();
  const watch = router.watch();
  await watch.next();
  h.append(event("c", 21n));
  await clock.pass(100);
  g.mark({ hasLeft: true });
  groups.ring(3, ["h"]);
  await clock.pass(100);
  groups.ring(5, ["g", "h"]);
  await clock.pass(100);
  assert.deepEqual(shown(await watch.next()), ["c21"]);
  g.append(event("a", 12n));
  assert.deepEqual(shown(await watch.next()), ["a12"]);
});

test("a group that says that it has left is asked no more, also while the router does not know yet", async () => {
  const { router, groups, clock, h } = twoLogs();
  groups.primaries.g = {
    async *watch() {
      yield { events: [], revision: 10n, epoch: 1n };
      yield { events: [], revision: 11n, epoch: 1n, hasLeft: true };
    },
  };
  const watch = router.watch();
  await watch.next();
  h.append(event("c", 21n));
  assert.deepEqual(shown(await watch.events()), ["c21"]);
  await clock.pass(5000);
  h.append(event("c", 22n));
  assert.deepEqual(shown(await watch.events()), ["c22"]);
  assert.equal(groups.watches.filter(({ group }) => group === "g").length, 1);
});

test("a group that enters the ring joins a watch from its beginning", async () => {
  const { router, groups } = twoLogs();
  const watch = router.watch();
  await watch.next();
  const late = new ToyLog(0n);
  late.append(event("n", 1n));
  groups.primaries.i = late;
  groups.ring(2, ["g", "h", "i"]);
  const answer = await watch.events();
  assert.deepEqual([answer.group, shown(answer)], ["i", ["n1"]]);
  assert.deepEqual([...positionsOf(answer.token).groups.keys()], ["g", "h", "i"]);
});

test("what a token's group has lost is said as with one group, and the group is named", async () => {
  const { router, groups, clock, g } = twoLogs();
  g.watch = () => {
    const detail = { desc: HistoryLostSchema, value: { oldestRevision: 99n } };
    throw new ConnectError("what came after has been compacted away", Code.OutOfRange, undefined, [detail]);
  };
  const token = tokenOf({
    cluster: "c1",
    ring: { version: 1n, change: 2n },
    groups: new Map([
      ["g", { revision: 1n, epoch: 1n }],
      ["h", { revision: 20n, epoch: 1n }],
    ]),
  });
  const error = await router.watch({ afterToken: token }).failure();
  assert.equal(error.code, Code.OutOfRange);
  assert.equal(error.rawMessage, 'group "g": what came after has been compacted away');
  assert.equal(error.findDetails(HistoryLostSchema)[0]?.oldestRevision, 99n);
  await clock.until(
    "the other group is left",
    () => groups.primaries.h instanceof ToyLog && groups.primaries.h.open === 0,
  );
});

test("a token of another cluster, and what is no token, are refused by name", async () => {
  const { router } = twoLogs();
  const foreign = tokenOf({
    cluster: "c2",
    ring: { version: 1n, change: 2n },
    groups: new Map([["g", { revision: 1n, epoch: 1n }]]),
  });
  const other = await router.watch({ afterToken: foreign }).failure();
  assert.equal(other.code, Code.InvalidArgument);
  assert.equal(other.rawMessage, "after_token is of cluster c2, and this is cluster c1");
  assert.equal(other.findDetails(HistoryLostSchema).length, 1);
  for (const afterToken of ["", "nonsense", "WzJd", foreign.slice(0, -3)]) {
    const error = await router.watch({ afterToken }).failure();
    assert.equal(error.code, Code.InvalidArgument, afterToken);
    assert.match(error.rawMessage, /^after_token: this is no token of a watch or scan: /);
    assert.equal(error.findDetails(HistoryLostSchema).length, 0);
  }
});

test("a group without a primary makes a scan or watch of all fail after a moment, and is named", async () => {
  const { router, groups, clock } = twoLogs();
  groups.primaries.g = {
    ...groups.primaries.g,
    ...scanned(
      () => ({ a: 1 }),
      () => 1,
    ),
  };
  groups.ring(2, ["g", "h"], ["h"]);
  const begunMs = clock.monotonicMs();
  for (const call of [router.watch().failure(), failure(clock, router.scan({}))]) {
    const error = await call;
    assert.equal(error.code, Code.Unavailable);
    assert.match(
      error.rawMessage,
      /^group "h" has no primary now: of its in-sync replicas \(node 1\) none is there/,
    );
    assert.equal(error.findDetails(NotAppliedSchema).length, 1);
  }
  assert.ok(clock.monotonicMs() - begunMs <= 12_000);
});

test("while a group is down, a watch after a token tells the changes of the others before it fails", async () => {
  const { router, groups, g, h } = twoLogs();
  const watch = router.watch();
  const { token } = await watch.next();
  h.fault = new ConnectError("it was killed", Code.Unavailable);
  groups.ring(2, ["g", "h"], ["h"]);
  h.wake();
  g.append(event("a", 11n));
  assert.deepEqual(shown(await watch.events()), ["a11"]);
  assert.match((await watch.failure()).rawMessage, /^group "h" has no primary now/);
  const next = router.watch({ afterToken: token });
  const answer = await next.next();
  assert.deepEqual([shown(answer), answer.complete], [["a11"], false]);
  assert.match((await next.failure()).rawMessage, /^group "h" has no primary now/);
});

test("a silent watch says every ten seconds how far it has come, once for all groups", async () => {
  const { router, clock, g, h } = twoLogs();
  const watch = router.watch();
  await watch.next();
  let answers = 0;
  const next = watch.next().then(() => answers++);
  await clock.pass(1000);
  g.wake();
  await clock.pass(1000);
  assert.equal(answers, 0, "another group has just told");
  await clock.pass(8000);
  h.wake();
  await clock.settled(next);
  assert.equal(answers, 1);
});

test("a watch that nobody reads holds back one answer of each group, and no more", async () => {
  const { router, clock, groups } = started();
  const given: Record<string, number> = { g: 0, h: 0 };
  for (const name of ["g", "h"]) {
    groups.primaries[name] = {
      async *watch(_request, signal) {
        yield { events: [], revision: 1n, epoch: 1n };
        for (let revision = 2n; revision < 500n; revision++) {
          given[name] = Number(revision);
          yield { events: [event(name, revision)], revision, epoch: 1n };
        }
        await never(signal);
      },
    };
  }
  groups.ring(1, ["g", "h"]);
  const watch = router.watch();
  await watch.next();
  await clock.pass(1000);
  for (const [name, count] of Object.entries(given)) assert.ok(count < 20, `${count} of ${name}`);
  const told: Record<string, string[]> = { g: [], h: [] };
  for (let count = 0; count < 2 * 498; count++) {
    const answer = await watch.events();
    told[answer.group]?.push(...shown(answer));
  }
  for (const name of ["g", "h"]) {
    assert.deepEqual(
      told[name],
      Array.from({ length: 498 }, (_, index) => `${name}${index + 2}`),
    );
  }
});

test("a scan without a group is answered in messages of up to 256 KiB, the first with a token to watch after", async () => {
  const { router, clock, groups } = started();
  const text = "v".repeat(100 * 1024);
  for (const name of ["g", "h"]) {
    const items = Array.from({ length: 4 }, (_, index) => keyValue(`${index}${name}`, index + 1, text));
    groups.primaries[name] = {
      async *scan() {
        yield { items: items.slice(0, 2), revision: 7n, epoch: 1n, ringVersion: 1n };
        yield { items: items.slice(2), revision: 7n, epoch: 1n, ringVersion: 1n };
      },
    };
  }
  groups.ring(1, ["g", "h"]);
  const answers: ScanResponse[] = [];
  const reading = (async () => {
    for await (const answer of router.scan({})) answers.push(answer);
  })();
  await clock.settled(reading);
  const keys = answers.flatMap(({ items }) => items.map(({ key }) => key));
  assert.deepEqual(keys, ["0g", "0h", "1g", "1h", "2g", "2h", "3g", "3h"]);
  for (const { items } of answers) assert.ok(items.length <= 2);
  const tokens = answers.map(({ watchToken }) => watchToken);
  assert.deepEqual(Object.fromEntries(positionsOf(tokens[0] ?? "").groups), {
    g: { revision: 7n, epoch: 1n },
    h: { revision: 7n, epoch: 1n },
  });
  assert.deepEqual(new Set(tokens.slice(1)), new Set([""]));
});

test("a caller that leaves ends the streams of all groups", async () => {
  const { router, clock, g, h } = twoLogs();
  const watch = router.watch();
  await watch.next();
  assert.deepEqual([g.open, h.open], [1, 1]);
  watch.leave();
  await clock.until("no stream is open", () => g.open + h.open === 0);
});

async function failure(clock: VirtualClock, answers: AsyncIterable<unknown>): Promise<ConnectError> {
  return await clock.settled(answers[Symbol.asyncIterator]().next()).then(
    () => assert.fail("it was answered"),
    (error) => ConnectError.from(error),
  );
}
