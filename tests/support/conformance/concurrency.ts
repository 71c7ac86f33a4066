import assert from "node:assert/strict";
import { it } from "node:test";
import { CoordinationError } from "../../../src/coordination/coordination.ts";
import { bytes, caughtUp, rejectsWith, type ServiceUnderTest, text, withTestBed } from "./service.ts";

const nothing = new Uint8Array();

/** Many operations, and many sessions, at once. */
export function concurrencyTests(service: () => Promise<ServiceUnderTest>): void {
  it("carries out the operations of a session in the order of the calls", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const session = await open();
      const path = `${base}/order`;
      const finished: string[] = [];
      const note = (name: string) => () => finished.push(name);
      const read = session.create(path, bytes("0"), "persistent").then(note("create"));
      const steps = [
        session.set(path, bytes("1"), 0).then(note("set 1")),
        session.set(path, bytes("2"), 1).then(note("set 2")),
        session.get(path).then(({ data }) => finished.push(`get ${text(data)}`)),
        session.delete(path, 2).then(note("delete")),
        session.exists(path).then((stat) => finished.push(`exists ${stat !== undefined}`)),
      ];
      await Promise.all([read, ...steps]);
      assert.deepEqual(finished, ["create", "set 1", "set 2", "get 2", "delete", "exists false"]);
    }),
  );

  it("lets one of many that create a path at once have it", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const sessions = await Promise.all([open(), open(), open()]);
      for (let round = 0; round < 10; round++) {
        const path = `${base}/${round}`;
        const results = await Promise.allSettled(
          sessions.map((session, index) => session.create(path, bytes(`${index}`), "ephemeral")),
        );
        const winners = results.flatMap(({ status }, index) => (status === "fulfilled" ? [index] : []));
        assert.equal(winners.length, 1);
        for (const result of results) {
          if (result.status === "rejected") assert.ok(CoordinationError.is(result.reason, "NODE_EXISTS"));
        }
        const winner = sessions[winners[0] ?? -1];
        assert.equal((await winner?.get(path))?.stat.own, true);
      }
    }),
  );

  it("lets one of many that replace a version at once do so", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const sessions = await Promise.all([open(), open(), open()]);
      await sessions[0]?.create(`${base}/v`, nothing, "persistent");
      await Promise.all(sessions.map((session) => session.sync(base)));
      for (let version = 0; version < 10; version++) {
        const results = await Promise.allSettled(
          sessions.map((session) => session.set(`${base}/v`, nothing, version)),
        );
        assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
        for (const result of results) {
          if (result.status === "rejected") assert.ok(CoordinationError.is(result.reason, "BAD_VERSION"));
        }
      }
    }),
  );

  it("numbers sequential znodes in the order of their creation, each once", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const sessions = await Promise.all([open(), open(), open()]);
      const made = await Promise.all(
        sessions.map((session, index) =>
          Promise.all(
            Array.from({ length: 20 }, (_, turn) =>
              session.create(
                `${base}/${index}-`,
                nothing,
                turn % 2 ? "ephemeral-sequential" : "persistent-sequential",
              ),
            ),
          ),
        ),
      );
      for (const own of made) assert.deepEqual(own, own.toSorted());
      const numbers = made.flat().map((path) => path.slice(-10));
      assert.equal(new Set(numbers).size, 60);

      const last = numbers.toSorted().at(-1) ?? "";
      await Promise.all(made.map((own, index) => sessions[index]?.delete(own.at(-1) ?? "", 0)));
      const next = await sessions[0]?.create(`${base}/next-`, nothing, "ephemeral-sequential");
      assert.ok((next ?? "").slice(-10) > last, "a number is not given again when its znode is gone");
    }),
  );

  it("reads, after sync, what another session wrote before", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const [writer, reader] = await Promise.all([open(), open()]);
      await writer.create(`${base}/s`, bytes("0"), "persistent");
      for (let version = 0; version < 50; version++) {
        await writer.set(`${base}/s`, bytes(`${version + 1}`), version);
        await reader.sync(base);
        assert.equal(text((await reader.get(`${base}/s`)).data), `${version + 1}`);
      }
    }),
  );

  it("completes 50,000 operations that are started at once", { timeout: 120_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const session = await open();
      await session.create(`${base}/hot`, bytes("value"), "persistent");
      let failed = 0;
      const operations: Promise<unknown>[] = [];
      for (let index = 0; index < 50_000; index++) {
        if (index % 20 === 0) operations.push(session.create(`${base}/${index}`, bytes("x"), "ephemeral"));
        else if (index % 20 === 1) operations.push(rejectsWith(session.get(`${base}/none`), "NO_NODE"));
        else if (index % 2 === 0) operations.push(session.exists(`${base}/hot`));
        else operations.push(session.get(`${base}/hot`).then(({ data }) => assert.equal(data.length, 5)));
      }
      for (const result of await Promise.allSettled(operations)) if (result.status === "rejected") failed++;
      assert.equal(failed, 0);
      assert.equal((await session.children(base)).length, 2501);
      assert.equal(session.state, "connected");
    }),
  );

  it("lists 5,000 children", { timeout: 60_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const session = await open();
      const names = Array.from(
        { length: 5000 },
        (_, index) => `${"child-with-a-long-name-".repeat(4)}${index}`,
      );
      await Promise.all(names.map((name) => session.create(`${base}/${name}`, nothing, "ephemeral")));
      await caughtUp(session);
      assert.deepEqual((await session.children(base)).toSorted(), names.toSorted());
    }),
  );
}
