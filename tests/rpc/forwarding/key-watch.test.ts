import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { ChangingRing } from "../../../src/cluster/ring/changing-ring.ts";
import { HashRing } from "../../../src/cluster/ring/hash-ring.ts";
import { event, shown } from "../../support/toy-log.ts";
import { twoLogs } from "../../support/toy-router.ts";

/** Watches of one key while the ring changes, by a change of id 2 to another number of virtual nodes. */
const groups = ["g", "h"];
const present = new HashRing(groups, { virtualNodes: 2 });
const next = new HashRing(groups, { virtualNodes: 8 });
const keys = Array.from({ length: 100 }, (_, index) => `k${index}`);

/** A key that these groups have in the present ring, and in the next. */
function keyOf(from: string, to: string): string {
  const ring = new ChangingRing(present, next);
  return (
    keys.find((key) => ring.owner(key) === from && (ring.moveOf(key)?.to ?? from) === to) ?? assert.fail()
  );
}

/** The router of a cluster in which all keys of g that change hands are at h already. */
function movedFromG() {
  const all = twoLogs();
  const { current } = all.groups;
  const change = { id: 2, groups, virtualNodes: 8, paused: false, done: [{ from: "g", to: "h" }] };
  const ring = { version: 3, virtualNodes: 2, groups, written: true, change };
  if (current !== undefined) all.groups.tell({ ...current, ring: { version: 3, value: ring } });
  return all;
}

test("a watch of a key that has moved tells nothing from its former group that is older than the watch", async () => {
  const { router, groups, clock, g, h } = movedFromG();
  const key = keyOf("g", "h");
  g.append(event(key, 11n), event(key, 12n));
  h.append(event(key, 21n));
  h.accepted = [{ from: "g", revision: 12n, afterRevision: 20n, ringChange: 2n }];
  const watch = router.watch({ scope: { case: "key", value: key } });
  const coming = watch.events();
  await clock.pass(100);
  h.append(event(key, 22n));
  assert.deepEqual(shown(await coming), [`${key}22`]);
  // The change is aborted, and the key moves back.
  h.mark({ given: { to: "g", ringChange: 5n } });
  const telling = watch.next();
  await clock.until("the former group is asked", () => g.open === 1);
  const asked = groups.watches.filter(({ group }) => group === "g");
  assert.deepEqual(
    asked.map(({ afterRingChange }) => afterRingChange),
    [3n],
  );
  await telling;
});

test("a watch of a key that stays where it is waits for no group that had only other keys", async () => {
  const { router, clock, g, h } = movedFromG();
  const key = keyOf("h", "h");
  const watch = router.watch({ scope: { case: "key", value: key } });
  await watch.next();
  h.mark({ taken: [{ from: "g", revision: 12n, ringChange: 2n }] });
  await clock.pass(100);
  h.append(event(key, 22n));
  assert.deepEqual(shown(await watch.next()), [`${key}22`]);
  assert.deepEqual([g.open, h.open], [0, 1]);
});

test("only a watch of the same key goes on after the token of a watch of one key, as it names no other groups", async () => {
  const { router, g, h } = twoLogs();
  const key = keys.find((each) => present.owner(each) === "g") ?? assert.fail();
  const scope = { case: "key", value: key } as const;
  h.append(event("old", 21n));
  const watch = router.watch({ scope });
  await watch.next();
  g.append(event(key, 11n));
  const { token: afterToken } = await watch.events();
  g.append(event(key, 12n));
  for (const wider of [{}, { scope: { case: "prefix", value: key } as const }]) {
    const error = await router.watch({ ...wider, afterToken }).failure();
    assert.equal(error.code, Code.InvalidArgument);
    assert.match(error.rawMessage, /of a watch of key "k\d+"/);
  }
  const answer = await router.watch({ scope, afterToken }).events();
  assert.deepEqual(shown(answer), [`${key}12`]);
  const error = await router.watch({ afterToken: answer.token }).failure();
  assert.equal(error.code, Code.InvalidArgument);
});
