import assert from "node:assert/strict";
import { it } from "node:test";
import type { CreateMode, SessionState } from "../../../src/coordination/coordination.ts";
import { bytes, gone, rejectsWith, type ServiceUnderTest, text, withTestBed } from "./service.ts";

const nothing = new Uint8Array();

/** What one znode is: modes, data, versions, stat, names. */
export function znodeTests(service: () => Promise<ServiceUnderTest>): void {
  it(
    "keeps persistent znodes when their session ends, and ephemeral ones no longer",
    { timeout: 20_000 },
    () =>
      withTestBed(service(), async ({ base, open }) => {
        const [owner, other] = await Promise.all([open(), open()]);
        const modes: CreateMode[] = [
          "persistent",
          "persistent-sequential",
          "ephemeral",
          "ephemeral-sequential",
        ];
        const paths = await Promise.all(
          modes.map((mode) => owner.create(`${base}/${mode}-`, bytes(mode), mode)),
        );
        assert.equal(paths[0], `${base}/persistent-`);
        assert.match(paths[1] ?? "", /\/persistent-sequential-\d{10}$/);
        assert.equal(paths[2], `${base}/ephemeral-`);
        assert.match(paths[3] ?? "", /\/ephemeral-sequential-\d{10}$/);
        await other.sync(base);
        for (const [index, path] of paths.entries()) {
          const mine = await owner.get(path);
          const theirs = await other.get(path);
          const ephemeral = index >= 2;
          assert.equal(text(mine.data), modes[index]);
          assert.deepEqual([mine.stat.ephemeral, mine.stat.own], [ephemeral, ephemeral]);
          assert.deepEqual([theirs.stat.ephemeral, theirs.stat.own], [ephemeral, false]);
        }
        await owner.close();
        await gone(other, paths[2] ?? "");
        await gone(other, paths[3] ?? "");
        assert.equal((await other.children(base)).length, 2);
      }),
  );

  it("removes the ephemeral znodes of a closed session at once", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const [owner, other] = await Promise.all([open(), open()]);
      await owner.create(`${base}/e`, nothing, "ephemeral");
      await owner.close();
      await other.sync(base);
      assert.equal(await other.exists(`${base}/e`), undefined);
    }),
  );

  it("returns any bytes, also none", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const session = await open();
      const all = Uint8Array.from({ length: 1024 }, (_, index) => index % 256);
      await session.create(`${base}/all`, all, "persistent");
      assert.deepEqual(new Uint8Array((await session.get(`${base}/all`)).data), all);
      await session.set(`${base}/all`, nothing, 0);
      assert.equal((await session.get(`${base}/all`)).data.length, 0);
    }),
  );

  it("keeps a value of 900 KB", { timeout: 30_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const [writer, reader] = await Promise.all([open(), open()]);
      const large = Uint8Array.from({ length: 900_000 }, (_, index) => (index * 31) % 256);
      await writer.create(`${base}/large`, large, "persistent");
      await reader.sync(base);
      assert.ok(Buffer.from(large).equals((await reader.get(`${base}/large`)).data));
      await reader.set(`${base}/large`, large.toReversed(), 0);
      await writer.sync(base);
      const { data, stat } = await writer.get(`${base}/large`);
      assert.ok(Buffer.from(large.toReversed()).equals(data));
      assert.equal(stat.version, 1);
    }),
  );

  it("refuses a value that is too long for a znode, and continues", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const session = await open();
      const states: SessionState[] = [];
      session.onState((state) => states.push(state));
      const huge = new Uint8Array(1_100_000);
      await rejectsWith(session.create(`${base}/huge`, huge, "persistent"), "BAD_ARGUMENTS");
      await rejectsWith(session.set(base, huge, 0), "BAD_ARGUMENTS");
      assert.equal((await session.get(base)).stat.version, 0);
      assert.deepEqual(states, []);
    }),
  );

  it("accepts names in any script", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const session = await open();
      const names = ["naïve", "日本語", "Ключ", "with space", "a:b?c#d%41", "..."];
      await Promise.all(names.map((name) => session.create(`${base}/${name}`, bytes(name), "persistent")));
      assert.deepEqual((await session.children(base)).toSorted(), names.toSorted());
      for (const name of names) assert.equal(text((await session.get(`${base}/${name}`)).data), name);
    }),
  );

  it("refuses malformed paths", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const session = await open();
      const bad = [
        "",
        "a",
        "a/b",
        "//",
        "/a/",
        "/a//b",
        "/a/./b",
        "/a/..",
        "/a\0b",
        "/a\u001fb",
        "/\ud800",
        "/😀",
      ];
      for (const path of bad) {
        await rejectsWith(session.create(path, nothing, "persistent"), "BAD_ARGUMENTS");
        await rejectsWith(session.get(path), "BAD_ARGUMENTS");
        await rejectsWith(session.exists(path), "BAD_ARGUMENTS");
        await rejectsWith(session.children(path), "BAD_ARGUMENTS");
        await rejectsWith(session.set(path, nothing, 0), "BAD_ARGUMENTS");
        await rejectsWith(session.delete(path, 0), "BAD_ARGUMENTS");
        await rejectsWith(session.sync(path), "BAD_ARGUMENTS");
      }
      await rejectsWith(session.delete("/", 0), "BAD_ARGUMENTS");
      assert.equal((await session.get(base)).stat.childCount, 0);
    }),
  );

  it("changes and deletes a znode only at the given version", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const session = await open();
      const path = `${base}/v`;
      await session.create(path, bytes("0"), "persistent");
      assert.equal((await session.get(path)).stat.version, 0);
      assert.equal((await session.set(path, bytes("1"), 0)).version, 1);
      assert.equal((await session.set(path, bytes("2"), 1)).version, 2);
      await rejectsWith(session.set(path, bytes("3"), 1), "BAD_VERSION");
      await rejectsWith(session.set(path, bytes("3"), 3), "BAD_VERSION");
      await rejectsWith(session.delete(path, 1), "BAD_VERSION");
      assert.equal(text((await session.get(path)).data), "2");
      await session.delete(path, 2);
      assert.equal(await session.exists(path), undefined);
    }),
  );

  it("names what is wrong with an operation, and its path", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const session = await open();
      const [missing, there, fleeting] = [`${base}/missing`, `${base}/there`, `${base}/fleeting`];
      await session.create(there, nothing, "persistent");
      await session.create(`${there}/child`, nothing, "persistent");
      await session.create(fleeting, nothing, "ephemeral");
      await rejectsWith(session.get(missing), "NO_NODE");
      await rejectsWith(session.children(missing), "NO_NODE");
      await rejectsWith(session.set(missing, nothing, 0), "NO_NODE");
      await rejectsWith(session.delete(missing, 0), "NO_NODE");
      await rejectsWith(session.create(`${missing}/child`, nothing, "persistent"), "NO_NODE");
      await rejectsWith(session.create(there, nothing, "ephemeral"), "NODE_EXISTS");
      await rejectsWith(session.create("/", nothing, "persistent"), "NODE_EXISTS");
      await rejectsWith(session.delete(there, 0), "NOT_EMPTY");
      await rejectsWith(
        session.create(`${fleeting}/child`, nothing, "persistent"),
        "NO_CHILDREN_FOR_EPHEMERALS",
      );
      await assert.rejects(session.get(missing), { name: "CoordinationError", path: missing });
      await assert.rejects(session.create(there, nothing, "ephemeral"), { path: there });
      assert.equal(await session.exists(missing), undefined);
    }),
  );

  it("tells two lives of one path apart by czxid", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const session = await open();
      const path = `${base}/lives`;
      const czxids: string[] = [];
      for (let life = 0; life < 3; life++) {
        await session.create(path, nothing, "persistent");
        const { stat } = await session.get(path);
        assert.match(stat.czxid, /^\d+$/);
        assert.equal((await session.set(path, bytes("x"), 0)).czxid, stat.czxid);
        czxids.push(stat.czxid);
        await session.delete(path, 1);
      }
      assert.equal(new Set(czxids).size, 3);
    }),
  );

  it("lists the names of children, and counts them", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const session = await open();
      assert.deepEqual(await session.children(base), []);
      await session.create(`${base}/a`, nothing, "persistent");
      await session.create(`${base}/b`, nothing, "ephemeral");
      await session.create(`${base}/a/deeper`, nothing, "persistent");
      assert.deepEqual((await session.children(base)).toSorted(), ["a", "b"]);
      assert.equal((await session.exists(base))?.childCount, 2);
      assert.ok((await session.children("/")).includes(base.slice(1)));
    }),
  );
}
