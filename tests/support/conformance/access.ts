import assert from "node:assert/strict";
import { it } from "node:test";
import { bytes, recordingWatcher, rejectsWith, type ServiceUnderTest, text, withTestBed } from "./service.ts";

const nothing = new Uint8Array();

/** Roots and rights. */
export function accessTests(service: () => Promise<ServiceUnderTest>): void {
  it("lets everybody read a creator's znodes, and only the creator write them", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const mine = await open({ auth: "kvlab:secret" });
      const path = `${base}/mine`;
      await mine.create(path, bytes("0"), "persistent", "creator-writes");
      const strangers = await Promise.all([
        open(),
        open({ auth: "kvlab:wrong" }),
        open({ auth: "other:secret" }),
      ]);
      for (const stranger of strangers) {
        await stranger.sync(base);
        assert.equal(text((await stranger.get(path)).data), "0");
        assert.deepEqual(await stranger.children(path), []);
        await rejectsWith(stranger.set(path, bytes("1"), 0), "NO_AUTH");
        await rejectsWith(stranger.create(`${path}/child`, nothing, "persistent"), "NO_AUTH");
      }
      const friend = await open({ auth: "kvlab:secret" });
      await friend.sync(base);
      assert.equal((await friend.set(path, bytes("1"), 0)).version, 1);
      await friend.create(`${path}/child`, nothing, "ephemeral", "creator-writes");
      for (const stranger of strangers) await rejectsWith(stranger.delete(`${path}/child`, 0), "NO_AUTH");
      await friend.delete(`${path}/child`, 0);
    }),
  );

  it("keeps its credentials over a reconnect", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ service, base, open }) => {
      const session = await open({ auth: "kvlab:secret:with:colons" });
      await session.create(`${base}/mine`, nothing, "persistent", "creator-writes");
      const disconnected = new Promise<void>((resolve) => {
        session.onState((state) => state === "disconnected" && resolve());
      });
      const connected = new Promise<void>((resolve) => {
        session.onState((state) => state === "connected" && resolve());
      });
      await service.cut(session);
      await disconnected;
      await service.mend(session);
      await connected;
      assert.equal((await session.set(`${base}/mine`, nothing, 0)).version, 1);
    }),
  );

  it("lets everybody write an open znode, whoever made it", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const [mine, stranger] = await Promise.all([open({ auth: "kvlab:secret" }), open()]);
      await mine.create(`${base}/open`, nothing, "persistent", "open");
      await stranger.sync(base);
      assert.equal((await stranger.set(`${base}/open`, nothing, 0)).version, 1);
    }),
  );

  it("refuses to restrict a znode to a creator without credentials", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const session = await open();
      await rejectsWith(
        session.create(`${base}/x`, nothing, "persistent", "creator-writes"),
        "BAD_ARGUMENTS",
      );
    }),
  );

  it("uses a path as its root, and creates it", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const [outside, inside] = await Promise.all([open(), open({ chroot: `${base}/deep/root` })]);
      await outside.sync(base);
      assert.deepEqual(await outside.children(`${base}/deep`), ["root"]);
      assert.deepEqual(await inside.children("/"), []);

      const children = recordingWatcher();
      const created = recordingWatcher();
      await inside.children("/", children.watcher);
      await inside.exists("/a", created.watcher);
      await outside.create(`${base}/deep/root/a`, bytes("from outside"), "persistent");
      assert.equal(await children.first, "children /");
      assert.equal(await created.first, "created /a");
      assert.equal(text((await inside.get("/a")).data), "from outside");

      const path = await inside.create("/n-", nothing, "ephemeral-sequential");
      assert.match(path, /^\/n-\d{10}$/);
      assert.equal((await inside.get(path)).stat.own, true);
      await outside.sync(base);
      assert.deepEqual((await outside.children(`${base}/deep/root`)).toSorted(), ["a", path.slice(1)]);
      await assert.rejects(inside.get("/none"), { code: "NO_NODE", path: "/none" });
      await rejectsWith(inside.create("/", nothing, "persistent"), "NODE_EXISTS");
      await rejectsWith(inside.delete("/", 0), "BAD_ARGUMENTS");
    }),
  );

  it(
    "restricts the root that it creates to its credentials, and leaves the znodes above open",
    { timeout: 20_000 },
    () =>
      withTestBed(service(), async ({ base, open }) => {
        const mine = await open({ auth: "kvlab:secret", chroot: `${base}/above/mine` });
        const stranger = await open();
        await mine.create("/a", nothing, "persistent", "creator-writes");
        await stranger.sync(base);
        await rejectsWith(stranger.create(`${base}/above/mine/b`, nothing, "persistent"), "NO_AUTH");
        await rejectsWith(stranger.delete(`${base}/above/mine/a`, 0), "NO_AUTH");
        await stranger.create(`${base}/above/other`, nothing, "persistent");
      }),
  );

  it("keeps two roots apart", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const [one, two] = await Promise.all([open({ chroot: `${base}/1` }), open({ chroot: `${base}/2` })]);
      await one.create("/x", bytes("1"), "persistent");
      await two.create("/x", bytes("2"), "persistent");
      assert.equal(text((await one.get("/x")).data), "1");
      assert.equal(text((await two.get("/x")).data), "2");
    }),
  );

  it("fires watches below its root after a reconnect", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ service, base, open }) => {
      const [outside, inside] = await Promise.all([open(), open({ chroot: `${base}/root` })]);
      const created = recordingWatcher();
      const root = recordingWatcher();
      await inside.exists("/a", created.watcher);
      await inside.children("/", root.watcher);
      await service.cut(inside);
      await outside.sync(base);
      await outside.create(`${base}/root/a`, nothing, "persistent");
      await service.mend(inside);
      assert.equal(await created.first, "created /a");
      assert.equal(await root.first, "children /");
    }),
  );
}
