import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { contentsOf, deletion, newLog, openOn, put, someRecords } from "../../../support/log-fixtures.ts";

describe("truncate", () => {
  it("drops records, visible ones too, and brings back what they had overwritten", async () => {
    const { disk, store } = await newLog();
    await store.append([put(1, 1, "a", "1"), put(1, 2, "b", "2")]);
    await store.append([deletion(2, 3, "a"), put(2, 4, "b", "3"), put(3, 5, "c", "4")]);
    await store.close();
    const again = await openOn(disk);
    await again.truncate(2);
    assert.deepEqual(
      await contentsOf(again),
      new Map([
        ["a", "1"],
        ["b", "2"],
      ]),
    );
    assert.deepEqual(again.last, { epoch: 1, seq: 2 });
    assert.deepEqual(again.epochs, [{ epoch: 1, firstSeq: 1 }]);
    assert.equal(again.promisedEpoch, 3);
    await again.append([put(4, 3, "d", "5")]);
    disk.crash(() => 0);
    const last = await openOn(disk);
    assert.deepEqual(
      await contentsOf(last),
      new Map([
        ["a", "1"],
        ["b", "2"],
        ["d", "5"],
      ]),
    );
    await last.close();
  });

  it("refuses to go below the base", async () => {
    const { store } = await newLog();
    await store.append(someRecords(10));
    store.commit(8);
    await store.compact();
    await assert.rejects(store.truncate(7), /only those after 8/);
    await store.truncate(8);
    assert.equal(store.last.seq, 8);
    await store.close();
  });

  it("tells who waits for a dropped record", async () => {
    const { disk, store } = await newLog();
    await store.append([put(1, 1, "a", "1")]);
    const held = Promise.withResolvers<void>();
    disk.intercept = ({ kind }) => (kind === "write" ? held.promise : undefined);
    const first = store.append([put(1, 2, "b", "1")]);
    // Let the first write begin, so that the next record has to wait for another one.
    await new Promise((resolve) => setImmediate(resolve));
    const second = store.append([put(1, 3, "c", "1")]);
    const truncated = store.truncate(1);
    const dropped = assert.rejects(second, { code: "dropped" });
    held.resolve();
    await first;
    await dropped;
    await truncated;
    assert.equal(store.last.seq, 1);
    await store.close();
  });
});
