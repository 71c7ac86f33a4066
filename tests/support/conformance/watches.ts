import assert from "node:assert/strict";
import { it } from "node:test";
import {
  bytes,
  caughtUp,
  type RecordingWatcher,
  reached,
  recordingWatcher,
  rejectsWith,
  type ServiceUnderTest,
  text,
  withTestBed,
} from "./service.ts";

const nothing = new Uint8Array();

/** One-shot watches, within a connection and over reconnects. */
export function watchTests(service: () => Promise<ServiceUnderTest>): void {
  it("fires a watch of `get` at the first change, once", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const [session, other] = await Promise.all([open(), open()]);
      const path = `${base}/w`;
      await session.create(path, nothing, "persistent");
      const changed = recordingWatcher();
      await session.get(path, changed.watcher);
      await other.sync(base);
      await other.create(`${path}/child`, nothing, "persistent");
      await other.set(path, bytes("1"), 0);
      assert.equal(await changed.first, `changed ${path}`);
      await other.set(path, bytes("2"), 1);
      await other.delete(`${path}/child`, 0);
      await caughtUp(session);
      const deleted = recordingWatcher();
      await session.get(path, deleted.watcher);
      await other.delete(path, 2);
      assert.equal(await deleted.first, `deleted ${path}`);
      await other.create(path, nothing, "persistent");
      await caughtUp(session);
      assert.deepEqual(changed.told, [`changed ${path}`]);
      assert.deepEqual(deleted.told, [`deleted ${path}`]);
    }),
  );

  it("fires a watch of `exists` at creation, change and removal, once", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const [session, other] = await Promise.all([open(), open()]);
      const path = `${base}/w`;
      const [created, changed, deleted] = [recordingWatcher(), recordingWatcher(), recordingWatcher()];
      assert.equal(await session.exists(path, created.watcher), undefined);
      await other.create(path, nothing, "persistent");
      assert.equal(await created.first, `created ${path}`);
      assert.equal((await session.exists(path, changed.watcher))?.version, 0);
      await other.set(path, bytes("1"), 0);
      assert.equal(await changed.first, `changed ${path}`);
      assert.equal((await session.exists(path, deleted.watcher))?.version, 1);
      await other.delete(path, 1);
      assert.equal(await deleted.first, `deleted ${path}`);
      await other.create(path, nothing, "persistent");
      await caughtUp(session);
      assert.deepEqual(
        [created, changed, deleted].map(({ told }) => told),
        [[`created ${path}`], [`changed ${path}`], [`deleted ${path}`]],
      );
    }),
  );

  it(
    "fires a watch of `children` when one is added, one is removed and at the end, once",
    { timeout: 20_000 },
    () =>
      withTestBed(service(), async ({ base, open }) => {
        const [session, other] = await Promise.all([open(), open()]);
        const path = `${base}/w`;
        await session.create(path, nothing, "persistent");
        await other.sync(base);
        const [more, less, end] = [recordingWatcher(), recordingWatcher(), recordingWatcher()];
        await session.children(path, more.watcher);
        await other.set(path, bytes("1"), 0);
        await other.create(`${path}/child`, nothing, "persistent");
        assert.equal(await more.first, `children ${path}`);
        assert.deepEqual(await session.children(path, less.watcher), ["child"]);
        await other.set(`${path}/child`, bytes("1"), 0);
        await other.create(`${path}/child/deeper`, nothing, "persistent");
        await other.delete(`${path}/child/deeper`, 0);
        await caughtUp(session);
        assert.deepEqual(less.told, []);
        await other.delete(`${path}/child`, 1);
        assert.equal(await less.first, `children ${path}`);
        assert.deepEqual(await session.children(path, end.watcher), []);
        await other.delete(path, 1);
        assert.equal(await end.first, `deleted ${path}`);
        await caughtUp(session);
        assert.deepEqual(
          [more, less, end].map(({ told }) => told),
          [[`children ${path}`], [`children ${path}`], [`deleted ${path}`]],
        );
      }),
  );

  it("fires all watches of a path, and no watches of another", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const [session, other] = await Promise.all([open(), open()]);
      const watchers = Array.from({ length: 5 }, recordingWatcher);
      const elsewhere = recordingWatcher();
      await Promise.all(watchers.map(({ watcher }) => session.exists(`${base}/a`, watcher)));
      await session.exists(`${base}/ab`, elsewhere.watcher);
      await other.exists(`${base}/a`, elsewhere.watcher);
      await other.sync(base);
      await session.create(`${base}/a`, nothing, "persistent");
      await Promise.all(watchers.map(({ first }) => first));
      await caughtUp(other);
      assert.deepEqual(elsewhere.told, [`created ${base}/a`]);
    }),
  );

  it("sets no watch when `get` or `children` finds no znode", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const session = await open();
      const { watcher, told } = recordingWatcher();
      await rejectsWith(session.get(`${base}/w`, watcher), "NO_NODE");
      await rejectsWith(session.children(`${base}/w`, watcher), "NO_NODE");
      await session.create(`${base}/w`, nothing, "persistent");
      await session.set(`${base}/w`, nothing, 0);
      await session.create(`${base}/w/child`, nothing, "persistent");
      await caughtUp(session);
      assert.deepEqual(told, []);
    }),
  );

  it(
    "tells a watch after the answer that set it and before an answer that shows the change",
    {
      timeout: 20_000,
    },
    () =>
      withTestBed(service(), async ({ base, open }) => {
        const session = await open();
        const path = `${base}/w`;
        await session.create(path, nothing, "persistent");
        for (let version = 0; version < 50; version++) {
          const order: string[] = [];
          const set = session.get(path, () => order.push("event")).then(() => order.push("set"));
          const change = session.set(path, bytes(`${version + 1}`), version);
          const read = session.get(path).then(({ data }) => order.push(`read ${text(data)}`));
          await Promise.all([set, change, read]);
          assert.deepEqual(order, ["set", "event", `read ${version + 1}`]);
        }
      }),
  );

  it("misses no event while disconnected, and fires once for it", { timeout: 30_000 }, () =>
    withTestBed(service(), async ({ service, base, open }) => {
      const [session, other] = await Promise.all([open(), open()]);
      const names = ["data", "gone", "stat", "parent", "parent-gone", "same", "same-parent"];
      await Promise.all(names.map((name) => session.create(`${base}/${name}`, nothing, "persistent")));
      const watches: Record<string, RecordingWatcher> = {};
      const on = (name: string) => {
        const watch = recordingWatcher();
        watches[name] = watch;
        return watch.watcher;
      };
      await session.get(`${base}/data`, on("data"));
      await session.get(`${base}/gone`, on("gone"));
      await session.exists(`${base}/stat`, on("stat"));
      await session.exists(`${base}/new`, on("new"));
      await session.children(`${base}/parent`, on("parent"));
      await session.children(`${base}/parent-gone`, on("parent-gone"));
      await session.get(`${base}/same`, on("same"));
      await session.exists(`${base}/same-new`, on("same-new"));
      await session.children(`${base}/same-parent`, on("same-parent"));

      await service.cut(session);
      await reached(session, "disconnected");
      await other.sync(base);
      await other.set(`${base}/data`, bytes("1"), 0);
      await other.delete(`${base}/gone`, 0);
      await other.set(`${base}/stat`, bytes("1"), 0);
      await other.create(`${base}/new`, nothing, "persistent");
      await other.create(`${base}/parent/child`, nothing, "persistent");
      await other.delete(`${base}/parent-gone`, 0);
      await service.mend(session);
      await reached(session, "connected");

      const missed = ["data", "gone", "stat", "new", "parent", "parent-gone"];
      await Promise.all(missed.map((name) => watches[name]?.first));
      await caughtUp(session);
      for (const name of ["same", "same-new", "same-parent"]) assert.deepEqual(watches[name]?.told, []);
      await other.set(`${base}/data`, bytes("2"), 1);
      await other.delete(`${base}/new`, 0);
      await other.set(`${base}/same`, bytes("1"), 0);
      await other.create(`${base}/same-new`, nothing, "persistent");
      await other.create(`${base}/same-parent/child`, nothing, "persistent");
      await caughtUp(session);
      assert.deepEqual(Object.fromEntries(Object.entries(watches).map(([name, { told }]) => [name, told])), {
        data: [`changed ${base}/data`],
        gone: [`deleted ${base}/gone`],
        stat: [`changed ${base}/stat`],
        new: [`created ${base}/new`],
        parent: [`children ${base}/parent`],
        "parent-gone": [`deleted ${base}/parent-gone`],
        same: [`changed ${base}/same`],
        "same-new": [`created ${base}/same-new`],
        "same-parent": [`children ${base}/same-parent`],
      });
    }),
  );

  it("keeps 5,000 watches over a reconnect", { timeout: 120_000 }, () =>
    withTestBed(service(), async ({ service, base, open }) => {
      const [session, other] = await Promise.all([open(), open()]);
      // Together more than a server takes in one packet (1 MiB).
      const paths = Array.from({ length: 5000 }, (_, index) => `${base}/${"long-".repeat(44)}${index}`);
      const watches = paths.map(recordingWatcher);
      await Promise.all(paths.map((path, index) => session.exists(path, watches[index]?.watcher)));
      const create = (path: string) => other.create(path, nothing, "ephemeral");
      await service.cut(session);
      await reached(session, "disconnected");
      await Promise.all(paths.slice(0, 2500).map(create));
      await service.mend(session);
      await reached(session, "connected");
      await Promise.all(paths.slice(2500).map(create));
      await Promise.all(watches.map(({ first }) => first));
      await caughtUp(session);
      assert.deepEqual(
        watches.map(({ told }) => told),
        paths.map((path) => [`created ${path}`]),
      );
    }),
  );
}
