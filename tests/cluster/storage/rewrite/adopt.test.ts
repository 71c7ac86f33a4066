import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { contentsOf, dbfile, openOn, put } from "../../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../../support/simulated-disk.ts";

describe("adopt", () => {
  it("keeps what was promised and written before", async () => {
    const disk = new SimulatedDisk();
    const store = await openOn(disk);
    await store.promise(4);
    await store.append([put(2, 1, "a", "1")]);
    await store.adopt({ cluster: "c1", group: "g", number: 1 });
    await store.close();
    const again = await openOn(disk);
    assert.equal(again.promisedEpoch, 4);
    assert.deepEqual(await contentsOf(again), new Map([["a", "1"]]));
    await again.close();
  });
});

describe("a header", () => {
  it("names the group, the node and the log, whatever the names are", async () => {
    const disk = new SimulatedDisk();
    const store = await openOn(disk);
    await store.adopt({ cluster: "c1", group: "a group=ü%\n", number: 12 });
    await store.close();
    assert.match(
      disk.contents(dbfile)?.toString() ?? "",
      /^!kvlab 1 group=a%20group%3D%C3%BC%25%0A number=12 store=[0-9a-f]{16} cluster=c1 file=\S+ [0-9a-f]{8}\n$/,
    );
    const again = await openOn(disk);
    assert.deepEqual(again.identity, store.identity);
    await assert.rejects(again.adopt({ cluster: "c1", group: "b", number: 1 }), /belongs to node 12/);
    await again.close();
  });
});
