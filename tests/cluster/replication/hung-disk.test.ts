import assert from "node:assert/strict";
import { test } from "node:test";
import { groupOf, type ReplicaGroup } from "../../support/replica-group.ts";

/** From now on nothing gets on the disk of this node. Returns how to end that. */
function hang(group: ReplicaGroup, number: number): () => void {
  const disk = Promise.withResolvers<void>();
  const hung = group.disk(number);
  hung.hold = disk.promise;
  return () => {
    hung.hold = undefined;
    disk.resolve();
  };
}

const unknown = { code: "outcome-unknown" };

test("a primary whose disk hangs has an in-sync standby take its place, and comes back as a standby", async () => {
  const group = await groupOf([1, 2, 3]);
  await group.clock.settled(group.put(1, "a", "1"));
  const goOn = hang(group, 1);
  const beganMs = group.clock.monotonicMs();
  await group.clock.settled(assert.rejects(group.put(1, "a", "2"), unknown));
  const tookMs = group.clock.monotonicMs() - beganMs;
  assert.ok(
    tookMs >= group.settings.standbyTimeoutMs && tookMs < 2 * group.settings.standbyTimeoutMs,
    `${tookMs}`,
  );
  assert.equal(group.isPrimary(1), false);
  const heir = group.state?.value.primary?.number ?? 0;
  await group.clock.until("the heir serves", () => group.isPrimary(heir) && group.serves(heir));
  await group.clock.settled(group.put(heir, "a", "3"));
  await group.clock.pass(60_000);
  // The disk still hangs.
  assert.equal(group.state?.value.primary?.number, heir);
  assert.equal(group.inSync.includes(1), false);
  assert.equal(await group.get(heir, "a"), "3");

  goOn();
  await group.clock.until("node 1 is in sync again", () => group.inSync.length === 3);
  assert.equal(group.state?.value.primary?.number, heir);
  assert.deepEqual(group.contents(1), group.contents(heir));
});

test("a primary whose disk hangs with nothing to write is left alone", async () => {
  const group = await groupOf([1, 2]);
  hang(group, 1);
  await group.clock.pass(30_000);
  assert.equal(group.serves(1), true);
});

test("while a primary's disk hangs and nobody can take its place, reads are answered and new writes refused", async () => {
  const group = await groupOf([1]);
  await group.clock.settled(group.put(1, "a", "1"));
  const goOn = hang(group, 1);
  const first = group.put(1, "a", "2");
  await group.clock.pass(5000);
  assert.equal(await group.get(1, "a"), "1");
  await assert.rejects(group.put(1, "a", "3"), {
    code: "unavailable",
    message: /disk has not answered for 5/,
  });
  goOn();
  await group.clock.settled(first);
  assert.equal(await group.get(1, "a"), "2");
  await group.clock.settled(group.put(1, "a", "4"));
});

test("a standby whose disk hangs is dropped, takes nobody's place, and comes back", async () => {
  const group = await groupOf([1, 2]);
  group.replacesSilent = true;
  const goOn = hang(group, 2);
  const beganMs = group.clock.monotonicMs();
  await group.clock.settled(group.put(1, "a", "1"));
  assert.ok(group.clock.monotonicMs() - beganMs < 2 * group.settings.standbyTimeoutMs);
  assert.deepEqual(group.inSync, [1]);
  await group.clock.pass(60_000);
  assert.equal(group.serves(1), true);
  assert.deepEqual(group.inSync, [1]);
  goOn();
  await group.clock.until("node 2 is in sync again", () => group.inSync.length === 2);
  assert.deepEqual(group.contents(2), ["a=1"]);
});

test("a standby whose disk hangs is not dropped while there is nothing to write", async () => {
  const group = await groupOf([1, 2]);
  hang(group, 2);
  await group.clock.pass(30_000);
  assert.deepEqual(group.inSync, [1, 2]);
});

test("who is made primary while its disk hangs passes that on", async () => {
  const group = await groupOf([1, 2, 3]);
  await group.clock.settled(group.put(1, "a", "1"));
  hang(group, 2);
  group.crash(1);
  group.forget(1);
  group.promote();
  assert.equal(group.state?.value.primary?.number, 2);
  await group.clock.until("node 3 serves", () => group.isPrimary(3) && group.serves(3));
  assert.equal(await group.get(3, "a"), "1");
});

test("a new primary without room passes that on to who has some", async () => {
  const group = await groupOf([1, 2, 3]);
  await group.clock.settled(group.put(1, "a", "1"));
  group.disk(2).isFull = true;
  group.crash(1);
  group.forget(1);
  group.promote();
  await group.clock.until("node 3 serves", () => group.isPrimary(3) && group.serves(3));
  assert.equal(await group.get(3, "a"), "1");
});

test("where no disk works the place of primary goes round more and more slowly", async () => {
  const group = await groupOf([1, 2, 3]);
  const goOn = [hang(group, 2), hang(group, 3)];
  group.crash(1);
  group.forget(1);
  group.promote();
  await group.clock.pass(60_000);
  const { epoch = 0 } = group.state?.value ?? {};
  assert.ok(epoch > 5 && epoch < 16, `epoch ${epoch}`);
  for (const end of goOn) end();
  await group.clock.until("one of them serves", () =>
    [2, 3].some((number) => group.isPrimary(number) && group.serves(number)),
  );
});
