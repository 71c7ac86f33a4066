import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { contentsOf, deletion, newLog, openOn, put, text } from "../../support/log-fixtures.ts";

describe("commit", () => {
  it("makes records visible; what was found on opening is visible", async () => {
    const { disk, store } = await newLog();
    await store.append([put(1, 1, "a", "1"), put(1, 2, "b", "2"), deletion(1, 3, "a"), put(1, 4, "b", "3")]);
    assert.deepEqual(await contentsOf(store), new Map());
    assert.equal(store.keyCount, 0);
    store.commit(2);
    assert.deepEqual(
      await contentsOf(store),
      new Map([
        ["a", "1"],
        ["b", "2"],
      ]),
    );
    store.commit(1);
    store.commit(3);
    assert.deepEqual(await contentsOf(store), new Map([["b", "2"]]));
    await store.close();
    const again = await openOn(disk);
    assert.deepEqual(await contentsOf(again), new Map([["b", "3"]]));
    assert.equal((await again.get("b"))?.revision, 4);
    await again.close();
  });

  it("ahead of the disk makes a record visible when it gets there", async () => {
    const { store } = await newLog();
    const appended = store.append([put(1, 1, "a", "1")]);
    store.commit(1);
    await appended;
    assert.equal(text((await store.get("a"))?.value), "1");
    await store.close();
  });

  it("is foreseen by pendingFacts", async () => {
    const { store } = await newLog();
    void store.append([put(1, 1, "a", "1"), put(1, 2, "b", "1"), deletion(1, 3, "b")]);
    assert.deepEqual(
      ["a", "b", "c"].map((key) => store.pendingFacts(key)?.revision),
      [1, undefined, undefined],
    );
    await store.append([deletion(1, 4, "a"), put(1, 5, "b", "2")]);
    store.commit(2);
    assert.deepEqual(
      ["a", "b", "c"].map((key) => store.pendingFacts(key)?.revision),
      [undefined, 5, undefined],
    );
    store.commit(5);
    assert.deepEqual(
      ["a", "b", "c"].map((key) => store.pendingFacts(key)?.revision),
      [undefined, 5, undefined],
    );
    await store.close();
  });
});

describe("close", () => {
  it("writes out what waits and refuses what comes after", async () => {
    const { disk, store } = await newLog();
    const appended = store.append([put(1, 1, "a", "1")]);
    const promised = store.promise(8);
    await Promise.all([store.close(), store.close()]);
    await appended;
    await promised;
    await assert.rejects(store.append([put(1, 2, "a", "1")]), { code: "closed" });
    await assert.rejects(store.get("a"), { code: "closed" });
    disk.crash(() => 0);
    const again = await openOn(disk);
    assert.equal(again.last.seq, 1);
    assert.equal(again.promisedEpoch, 8);
    await again.close();
  });
});
