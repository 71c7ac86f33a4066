import assert from "node:assert/strict";
import { it } from "node:test";
import { creatorAcl, digestId, readAcl } from "../../../src/zookeeper/index.ts";
import { PythonProgram } from "../../support/python-program.ts";
import {
  bytes,
  type ClientBed,
  failure,
  recorder,
  text,
  withClients,
} from "../../support/zookeeper-clients.ts";

/** A client by kazoo, in a process of its own. */
interface Kazoo {
  /** The result of a call, or the name of the exception. */
  call(name: string, ...args: unknown[]): Promise<unknown>;
  /** Waits for the next event of a watch. */
  event(): Promise<string>;
}

/** What the program writes. */
interface Line {
  readonly result?: unknown;
  readonly error?: string;
  readonly event?: readonly [type: string, path: string];
}

async function withKazoo(
  connectString: string,
  body: (bed: ClientBed, kazoo: Kazoo) => Promise<void>,
): Promise<void> {
  await withClients(connectString, async (bed) => {
    const program = new PythonProgram("kazoo-client.py", [connectString + bed.root]);
    const events: string[] = [];
    const next = async (): Promise<Line> => {
      const line = (await program.next<Line>()) ?? assert.fail("kazoo has ended");
      if (line.event !== undefined) events.push(line.event.join(" "));
      return line;
    };
    try {
      await body(bed, {
        async call(...request) {
          program.tell(JSON.stringify(request));
          for (;;) {
            const { result, error, event } = await next();
            if (event === undefined) return error ?? result;
          }
        },
        async event() {
          while (events.length === 0) await next();
          return events.shift() ?? assert.fail();
        },
      });
    } finally {
      program.kill();
    }
  });
}

/** Our client and kazoo's on the same znodes. */
export function kazooTests(connectString: string): void {
  it("means the same by an ACL as kazoo", { timeout: 30_000 }, () =>
    withKazoo(connectString, async ({ connect }, kazoo) => {
      const auth = [{ scheme: "digest", auth: "alice:secret" }];
      const [alice, stranger] = await Promise.all([connect({ auth }), connect()]);
      await kazoo.call("createOwn", "/theirs", "alice", "secret");
      await alice.sync();
      const { acl } = await alice.getAcl("/theirs");
      assert.deepEqual(acl, [
        { scheme: "digest", id: digestId("alice", "secret"), permissions: ["read", "write", "admin"] },
      ]);
      await alice.set("/theirs", bytes("1"));
      await failure(stranger.get("/theirs"), "NO_AUTH");
      await alice.create("/ours", bytes("2"), { acl: [...readAcl, ...creatorAcl] });
      assert.equal(await kazoo.call("get", "/ours"), "2");
      assert.equal(await kazoo.call("set", "/ours", "3"), "NoAuthError");
      await kazoo.call("addAuth", "digest", "alice:secret");
      assert.equal(await kazoo.call("set", "/ours", "3"), 1);
      assert.deepEqual(await kazoo.call("acls", "/ours"), [
        ["world", "anyone", ["READ"]],
        ["digest", digestId("alice", "secret"), ["ALL"]],
      ]);
    }),
  );

  it("sees what kazoo does, and shows kazoo what it does", { timeout: 30_000 }, () =>
    withKazoo(connectString, async ({ connect }, kazoo) => {
      const client = await connect();
      const seen = recorder();
      await client.addWatch("/", { mode: "persistent-recursive" }, seen.listener);
      await kazoo.call("create", "/a", "1");
      await seen.saw("created /a");
      assert.equal(text((await client.get("/a")).data), "1");
      assert.equal(await kazoo.call("watch", "/a"), true);
      await client.set("/a", bytes("2"));
      assert.equal(await kazoo.event(), "CHANGED /a");
      assert.equal(await kazoo.call("get", "/a"), "2");
      assert.deepEqual(await kazoo.call("watchChildren", "/"), ["a"]);
      await client.create("/b");
      assert.equal(await kazoo.event(), "CHILD /");
      assert.equal(await kazoo.call("watch", "/c"), false);
      await client.multi([
        { type: "create", path: "/c" },
        { type: "delete", path: "/b" },
      ]);
      assert.equal(await kazoo.event(), "CREATED /c");
      assert.deepEqual(await kazoo.call("transact", "/a", 1), ["bool", "ZnodeStat"]);
      await seen.saw("changed /a");
    }),
  );

  it("numbers sequential znodes together with kazoo", { timeout: 30_000 }, () =>
    withKazoo(connectString, async ({ connect }, kazoo) => {
      const client = await connect();
      const mode = "ephemeral-sequential";
      const paths = [
        (await client.create("/n-", undefined, { mode })).path,
        await kazoo.call("create", "/n-", "", true),
        (await client.create("/n-", undefined, { mode })).path,
      ];
      assert.deepEqual(paths, ["/n-0000000000", "/n-0000000001", "/n-0000000002"]);
      assert.deepEqual(
        await kazoo.call("children", "/"),
        paths.map((path) => String(path).slice(1)),
      );
    }),
  );
}
