import assert from "node:assert/strict";
import { it } from "node:test";
import {
  Counter,
  enterDoubleBarrier,
  groupMembers,
  joinGroup,
  liftBarrier,
  passBarrier,
  raiseBarrier,
  watchGroup,
  type ZooKeeper,
} from "../../../../src/zookeeper/index.ts";
import { bytes, text } from "../../../support/zookeeper-clients.ts";
import type { Kazoo } from "../kazoo.ts";
import { hasChildren } from "../queued.ts";

/** On the same path, groups, barriers and counters of kazoo and ours are the same. */
export function kazooGroupTests(client: ZooKeeper, kazoo: Kazoo): void {
  for (const shallow of [false, true]) {
    const kind = shallow ? "ShallowParty" : "Party";
    it(`lists members of a ${kind} of kazoo, and is listed there`, { timeout: 30_000 }, async () => {
      const path = `/kazoo/${kind}`;
      const theirs = await kazoo.make(kind, [path, "theirs"]);
      const lists = watchGroup(client, path, { shallow });
      assert.deepEqual((await lists.next()).value, []);
      const member = await joinGroup(client, path, { identifier: "our-own", shallow });
      assert.deepEqual((await lists.next()).value, ["our-own"]);
      await theirs.call("join");
      assert.deepEqual((await lists.next()).value.sort(), ["our-own", "theirs"]);
      assert.deepEqual((await groupMembers(client, path, { shallow })).sort(), ["our-own", "theirs"]);
      assert.deepEqual(await theirs.call("list"), ["our-own", "theirs"]);
      await member.release();
      assert.deepEqual(await theirs.call("list"), ["theirs"]);
      await theirs.call("leave");
      await hasChildren(client, path, 0);
    });
  }

  it("holds back those of kazoo at a barrier, and is held back there", { timeout: 30_000 }, async () => {
    const path = "/kazoo/barrier";
    const theirs = await kazoo.make("Barrier", [path]);
    await raiseBarrier(client, path);
    const passed = theirs.call("wait");
    await liftBarrier(client, path);
    assert.equal(await passed, true);
    await theirs.call("create");
    const passing = passBarrier(client, path);
    assert.equal(await theirs.call("remove"), true);
    await passing;
  });

  it("enters and leaves a double barrier with those of kazoo, whoever comes last", {
    timeout: 30_000,
  }, async () => {
    for (const last of ["theirs", "ours"]) {
      const path = `/kazoo/double-barrier-${last}`;
      const theirs = [
        await kazoo.make("DoubleBarrier", [path, 4, "a"]),
        await kazoo.make("DoubleBarrier", [path, 4, "b"]),
      ];
      const enterTheirs = () => Promise.all(theirs.map((barrier) => barrier.call("enter")));
      const enterOurs = () => Promise.all([0, 1].map(() => enterDoubleBarrier(client, path, { members: 4 })));
      const late = Promise.withResolvers<void>();
      const afterwards = async <T>(enter: () => Promise<T>) => {
        await late.promise;
        return enter();
      };
      const [allTheirs, allOurs] =
        last === "ours" ? [enterTheirs(), afterwards(enterOurs)] : [afterwards(enterTheirs), enterOurs()];
      await hasChildren(client, path, 2);
      late.resolve();
      await allTheirs;
      const leaving = (await allOurs).map((inside) => inside.leave());
      await Promise.all([...leaving, ...theirs.map((barrier) => barrier.call("leave"))]);
      await hasChildren(client, path, 0);
    }
  });

  it("counts with kazoo, whole numbers and others", { timeout: 30_000 }, async () => {
    for (const [path, initial, step] of [
      ["/kazoo/whole", 0, 3],
      ["/kazoo/broken", 1.5, 0.25],
    ] as const) {
      const theirs = await kazoo.make("Counter", [path, initial]);
      const ours = new Counter(client, path, initial);
      assert.equal(await ours.value(), initial);
      assert.equal(await theirs.call("add", step), initial + step);
      assert.equal(await ours.add(-2 * step), initial - step);
      assert.equal(await theirs.call("value"), initial - step);
      assert.equal(text((await client.get(path)).data), `${initial - step}`);
    }
  });

  it("takes none but numbers for the value of a counter", { timeout: 30_000 }, async () => {
    const path = "/kazoo/none";
    await client.create(path, bytes("inf"));
    await assert.rejects(new Counter(client, path).add(1), {
      code: "BAD_ARGUMENTS",
      message: /the value, "inf", is not allowed/,
    });
  });
}
