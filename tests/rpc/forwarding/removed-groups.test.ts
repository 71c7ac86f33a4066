import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { HistoryLostSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import { type Position, positionsOf, tokenOf } from "../../../src/client/positions.ts";
import type { ToyGroups } from "../../support/toy-groups.ts";
import { event, shown, ToyLog } from "../../support/toy-log.ts";
import { routerOf, twoLogs } from "../../support/toy-router.ts";
import { answeringLate } from "./answering-late.ts";

/**
 * Watches over the removal of a group. Group g has given all its keys to h in ring change 2: they had changes there up to
 * revision 15. It was removed with version 7.
 */
const taken = [{ from: "g", revision: 15n, ringChange: 2n }];

/** The ring without a group whose nodes still run. */
function drained(groups: ToyGroups, version: number, group: string): void {
  groups.ring(version, [group, "h"]);
  const { groups: both } = groups.current ?? assert.fail();
  groups.ring(version, ["h"]);
  groups.tell({ ...(groups.current ?? assert.fail()), groups: both });
}

/** A token of a watch that began before all that. */
function tokenAt(groups: Readonly<Record<string, Position>>): string {
  return tokenOf({
    cluster: "c1",
    ring: { version: 1n, change: 2n },
    groups: new Map(Object.entries(groups)),
  });
}

function at(revision: bigint, epoch = 1n): Position {
  return { revision, epoch };
}

function isLost(error: ConnectError): boolean {
  return error.findDetails(HistoryLostSchema).length === 1 && /group "g" was removed/.test(error.rawMessage);
}

/** How a watch fails, whatever it says before. */
async function lossOf(watch: { next(): Promise<unknown> }): Promise<ConnectError> {
  for (let answers = 0; answers < 10; answers++) {
    const failure = await watch.next().then(() => undefined, ConnectError.from);
    if (failure !== undefined) return failure;
  }
  return assert.fail("it was answered");
}

test("after a token that has all of a removed group, a watch goes on with the groups that have its keys", async () => {
  const { router, groups, h } = twoLogs();
  groups.remove(7, "g", ["h"]);
  const watch = router.watch({ afterToken: tokenAt({ g: at(15n), h: at(20n) }) });
  h.mark({ taken });
  h.append(event("a", 22n));
  const answer = await watch.events();
  assert.deepEqual([answer.group, shown(answer), answer.complete], ["h", ["a22"], true]);
  const asked = groups.watches.map(({ group }) => group);
  assert.deepEqual([...new Set(asked)], ["h"]);
});

test("after a token that lacks changes of a removed group, the history is lost as soon as that is known", async () => {
  const { router, groups, clock, h } = twoLogs();
  groups.remove(7, "g", ["h"]);
  const begunMs = clock.monotonicMs();
  const watch = router.watch({ afterToken: tokenAt({ g: at(14n), h: at(20n) }) });
  h.mark({ taken });
  h.append(event("a", 22n));
  const told: string[] = [];
  const failure = await (async () => {
    for (;;) told.push(...shown(await watch.next()));
  })().catch(ConnectError.from);
  assert.ok(isLost(failure), failure.rawMessage);
  assert.deepEqual(told, []);
  assert.ok(clock.monotonicMs() - begunMs < 1000);
});

test("keys that were for a while in a removed group that the token does not name have changes that nobody tells", async () => {
  const { router, groups, h } = twoLogs();
  groups.remove(7, "g", ["h"]);
  const watch = router.watch({ afterToken: tokenAt({ h: at(20n) }) });
  h.mark({ taken });
  await watch.next();
  assert.ok(isLost(await watch.failure()));
});

test("what an operator has given up of a removed group is no place to go on from", async () => {
  const { router, groups } = twoLogs();
  groups.remove(7, "g", ["h"], [5, 6]);
  assert.ok(isLost(await router.watch({ afterToken: tokenAt({ g: at(90n, 4n), h: at(20n) }) }).failure()));
});

test("a watch whose history is lost as it begins listens to the ring no longer", async () => {
  const { router, groups } = twoLogs();
  groups.remove(7, "g", ["h"], [5, 6]);
  await router.watch({ afterToken: tokenAt({ g: at(90n, 4n), h: at(20n) }) }).failure();
  assert.equal(groups.listenerCount, 0);
});

test("a watch that is told all of a group goes on when that is removed, and so does one after its token", async () => {
  const { router, groups, clock, g, h } = twoLogs();
  const watch = router.watch();
  await watch.next();
  g.append(event("a", 15n));
  await watch.events();
  g.fault = new ConnectError("it was stopped", Code.Unavailable);
  groups.ring(6, ["g", "h"], ["g"]);
  g.wake();
  await clock.pass(100);
  groups.remove(7, "g", ["h"]);
  h.mark({ taken });
  await clock.pass(100);
  h.append(event("a", 23n));
  const answer = await watch.events();
  assert.deepEqual([answer.group, shown(answer)], ["h", ["a23"]]);
  h.append(event("a", 24n));
  const next = routerOf(groups, clock).watch({ afterToken: answer.token });
  assert.deepEqual(shown(await next.events()), ["a24"]);
});

test("after the token of a scan that saw less of a removed group than of the one with its keys, the history is lost", async () => {
  const { router, groups, h } = twoLogs();
  groups.remove(7, "g", ["h"]);
  h.accepted = taken.map((keys) => ({ ...keys, afterRevision: 19n }));
  const watch = router.watch({ afterToken: tokenAt({ g: at(10n), h: at(20n) }) });
  assert.ok(isLost(await watch.failure()));
});

test("an answer that waits for changes of a group does not wait for ever when that is removed", async () => {
  const { router, groups, clock, g, h } = twoLogs();
  const watch = router.watch();
  await watch.next();
  h.mark({ taken });
  await clock.pass(100);
  g.fault = new ConnectError("it was stopped", Code.Unavailable);
  groups.ring(6, ["g", "h"], ["g"]);
  g.wake();
  await clock.pass(100);
  groups.remove(7, "g", ["h"]);
  assert.ok(isLost(await watch.failure()));
});

test("a later group of a removed one's name is told from its beginning, and its own changes are waited for", async () => {
  const { router, groups, clock, h } = twoLogs();
  groups.remove(7, "g", ["h"], [0, 3]);
  const later = new ToyLog(0n, 4n);
  later.append(event("n", 1n, 4n));
  groups.primaries.g = later;
  groups.ring(9, ["g", "h"]);
  const watch = router.watch({ afterToken: tokenAt({ g: at(90n, 3n), h: at(20n) }) });
  h.mark({ taken });
  const first = await watch.events();
  assert.deepEqual([first.group, shown(first)], ["g", ["n1"]]);
  assert.deepEqual(positionsOf(first.token).groups.get("g"), { ...at(1n, 4n), removed: at(90n, 3n) });
  const asked = groups.watches.filter(({ group }) => group === "g");
  assert.deepEqual(
    asked.map(({ afterRevision, afterRingChange }) => [afterRevision, afterRingChange]),
    [[undefined, 2n]],
  );
  // Of the first group of this name, it was told up to a higher revision than this.
  h.mark({ taken: [{ from: "g", revision: 2n, ringChange: 8n }] });
  await clock.pass(100);
  h.append(event("n", 25n));
  await clock.pass(100);
  later.append(event("n", 2n, 4n));
  assert.deepEqual([shown(await watch.events()), shown(await watch.events())], [["n2"], ["n25"]]);
});

test("a watch goes on after a token that names the later group of a removed one's name", async () => {
  const { router, groups, h } = twoLogs();
  groups.remove(7, "g", ["h"], [0, 3]);
  groups.primaries.g = new ToyLog(5n, 4n);
  groups.ring(9, ["g", "h"]);
  // The first answer names what came from the removed group, too.
  h.accepted = taken.map((keys) => ({ ...keys, afterRevision: 15n }));
  h.append(event("a", 21n));
  const afterToken = tokenOf({
    cluster: "c1",
    ring: { version: 9n, change: 10n },
    groups: new Map([
      ["g", at(5n, 4n)],
      ["h", at(20n)],
    ]),
  });
  assert.deepEqual(shown(await router.watch({ afterToken }).events()), ["a21"]);
});

test("after the token of a scan that saw too little of a removed group, a later one of its name hides nothing", async () => {
  const { router, groups, clock, h } = twoLogs();
  groups.remove(7, "g", ["h"], [0, 3]);
  const later = new ToyLog(0n, 4n);
  later.append(event("n", 1n, 4n));
  groups.primaries.g = later;
  groups.primaries.h = answeringLate(h, clock, 200);
  groups.ring(9, ["g", "h"]);
  h.accepted = taken.map((keys) => ({ ...keys, afterRevision: 19n }));
  h.append(event("a", 21n));
  const watch = router.watch({ afterToken: tokenAt({ g: at(10n, 3n), h: at(20n) }) });
  assert.deepEqual(shown(await watch.events()), ["n1"]);
  assert.ok(isLost(await watch.failure()));
});

test("a later group of a removed one's name that has left the ring again is told from its beginning", async () => {
  const { router, groups, clock, h } = twoLogs();
  groups.remove(7, "g", ["h"], [0, 3]);
  const later = new ToyLog(0n, 4n);
  later.append(event("n", 1n, 4n));
  groups.primaries.g = later;
  drained(groups, 12, "g");
  const watch = router.watch({ afterToken: tokenAt({ g: at(15n, 3n), h: at(20n) }) });
  h.mark({ taken });
  h.mark({ given: { to: "g", ringChange: 8n } });
  h.mark({ taken: [{ from: "g", revision: 1n, ringChange: 10n }] });
  const first = watch.events();
  await clock.pass(100);
  h.append(event("n", 25n));
  assert.deepEqual([shown(await first), shown(await watch.events())], [["n1"], ["n25"]]);
});

test("an answer that waits for a later group of a removed one's name waits for that when the removal becomes known", async () => {
  const { router, groups, clock, g, h } = twoLogs();
  const watch = router.watch();
  await watch.next();
  g.append(event("a", 15n));
  await watch.events();
  h.mark({ taken });
  h.mark({ taken: [{ from: "g", revision: 16n, ringChange: 10n }] });
  await clock.pass(100);
  g.fault = new ConnectError("it was stopped", Code.Unavailable);
  g.wake();
  await clock.pass(100);
  groups.remove(7, "g", ["h"], [0, 3]);
  const later = new ToyLog(0n, 4n);
  later.append(event("n", 16n, 4n));
  groups.primaries.g = later;
  drained(groups, 12, "g");
  const first = watch.events();
  await clock.pass(100);
  h.append(event("n", 25n));
  assert.deepEqual([shown(await first), shown(await watch.events())], [["n16"], ["n25"]]);
});

test("the token of a watch that goes on in a later group of a removed one's name knows what that was told", async () => {
  for (const [revision, isAll] of [
    [15n, true],
    [14n, false],
  ] as const) {
    const { router, groups, clock, h } = twoLogs();
    groups.remove(7, "g", ["h"], [0, 3]);
    const later = new ToyLog(0n, 4n);
    later.append(event("n", 1n, 4n), event("n", 2n, 4n));
    groups.primaries.g = later;
    groups.ring(9, ["g", "h"]);
    const watch = router.watch({ afterToken: tokenAt({ g: at(revision, 3n), h: at(20n) }) });
    const first = await watch.events();
    assert.deepEqual(shown(first), ["n1", "n2"]);
    watch.leave();
    await clock.until("it has ended", () => h.open === 0);
    const next = routerOf(groups, clock).watch({ afterToken: first.token });
    h.mark({ taken });
    h.append(event("a", 30n));
    if (isAll) assert.deepEqual(shown(await next.events()), ["a30"]);
    else assert.ok(isLost(await lossOf(next)));
  }
});

test("a later group of a removed one's name that is empty still does not hide what that was told", async () => {
  const { router, groups, clock, h } = twoLogs();
  groups.remove(7, "g", ["h"], [0, 3]);
  groups.primaries.g = new ToyLog(0n, 0n);
  groups.ring(9, ["g", "h"]);
  const watch = router.watch({ afterToken: tokenAt({ g: at(15n, 3n), h: at(20n) }) });
  await watch.next();
  const telling = watch.events();
  await clock.pass(100);
  h.mark({ taken });
  h.append(event("a", 30n));
  assert.deepEqual(shown(await telling), ["a30"]);
});

test("a watch from now on begins also if a group whose keys were taken is removed meanwhile", async () => {
  const { router, groups, clock, h } = twoLogs();
  h.accepted = [{ from: "i", revision: 31n, afterRevision: 15n, ringChange: 4n }];
  groups.primaries.h = answeringLate(h, clock, 200);
  clock.timer(100, () => groups.remove(7, "i", ["g", "h"]));
  const watch = router.watch();
  assert.ok((await watch.next()).complete);
  h.append(event("a", 21n));
  assert.deepEqual(shown(await watch.events()), ["a21"]);
});
