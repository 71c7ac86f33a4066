import assert from "node:assert/strict";
import { it } from "node:test";
import {
  acquireLease,
  acquireLock,
  Counter,
  campaign,
  enterDoubleBarrier,
  joinGroup,
  Queue,
  raiseBarrier,
  Services,
  TransactionCoordinator,
  TransactionParticipant,
  ZnodeCache,
  ZooKeeper,
  type ZooKeeperError,
} from "../../../src/zookeeper/index.ts";
import { bytes, failure, withClients } from "../../support/zookeeper-clients.ts";

/** A call as a program in JavaScript may make it, and what the error says. */
type Mistake = readonly [call: (client: Untyped) => Promise<unknown>, message: RegExp];

// biome-ignore lint/suspicious/noExplicitAny: mistakes have no types.
type Untyped = any;

const calls: readonly Mistake[] = [
  [(client) => client.get(), /the path is undefined; it must be a string/],
  [(client) => client.get(5), /the path is 5; it must be a string/],
  [(client) => client.get("/a", null), /the options of get \/a are null; they must be an object/],
  [(client) => client.get("/a", { watch: true }), /watch is true; it must be a function/],
  [
    (client) => client.get("/a", { watcher: () => {} }),
    /the option "watcher", which is not known; known: signal/,
  ],
  [
    (client) => client.exists("/a", { deadlineMs: 0 }),
    /deadlineMs is 0; it must be a number of milliseconds/,
  ],
  [(client) => client.children("/a", { deadlineMs: Number.NaN }), /deadlineMs is NaN/],
  [(client) => client.children("/a", { signal: "now" }), /signal is "now"; it must be an AbortSignal/],
  [(client) => client.create("/a", "text"), /data is "text"; it must be a Uint8Array/],
  [(client) => client.create("/a", null), /data is null; it must be a Uint8Array/],
  [
    (client) => client.create("/a", undefined, { mode: "volatile" }),
    /mode is "volatile"; it must be one of persis/,
  ],
  [
    (client) => client.create("/a", undefined, { acl: [{}] }),
    /acl is a list of 1; it must be a list, of which/,
  ],
  [
    (client) =>
      client.create("/a", undefined, { acl: [{ scheme: "world", id: "anyone", permissions: ["fly"] }] }),
    /acl/,
  ],
  [(client) => client.createAll("/a", { acl: "open" }), /acl is "open"/],
  [(client) => client.set("/a"), /data is undefined/],
  [
    (client) => client.set("/a", bytes("1"), { version: "1" }),
    /version is "1"; it must be a whole number from -/,
  ],
  [(client) => client.set("/a", bytes("1"), { version: 1.5 }), /version is 1.5/],
  [(client) => client.delete("/a", { version: 2 ** 31 }), /version is 2147483648/],
  [(client) => client.deleteAll("/a", { force: true }), /the option "force"/],
  [(client) => client.setAcl("/a"), /acl is undefined/],
  [(client) => client.addAuth("digest"), /auth is not shown; it must be a string or a Uint8Array/],
  [(client) => client.addAuth(undefined, "a:b"), /scheme is undefined/],
  [
    (client) => client.multi([{ type: "update", path: "/a" }]),
    /the type of operation 0 of multi is "update"; it must/,
  ],
  [
    (client) =>
      client.multi([
        { type: "check", path: "/" },
        { type: "set", path: "/a" },
      ]),
    /the data of operation 1/,
  ],
  [
    (client) => client.multi([{ type: "delete", path: "/a", versoin: 1 }]),
    /operation 0 of multi has the option "versoin"/,
  ],
  [(client) => client.multi([null]), /operation 0 of multi is null/],
  [(client) => client.multi("/a"), /operations is "\/a"; it must be a list/],
  [
    (client) => client.multiRead([{ type: "exists", path: "/a" }]),
    /type is "exists"; it must be one of get, children/,
  ],
  [
    (client) => client.addWatch("/a", { mode: "once" }, () => {}),
    /mode is "once"; it must be one of persistent, /,
  ],
  [(client) => client.addWatch("/a", {}, () => {}), /mode is undefined/],
  [(client) => client.addWatch("/a", { mode: "persistent" }), /listener is undefined; it must be a function/],
  [
    (client) => client.removeWatches("/a", { type: "all" }),
    /type is "all"; it must be one of data, children, any/,
  ],
  [(client) => client.reconfig({ joining: "server.4=" }), /joining is "server.4="; it must be a list/],
  [
    (client) => client.reconfig({ fromConfig: 2n ** 63n }),
    /fromConfig is 9223372036854775808; it must be a bigint of 64 bits/,
  ],
];

const recipes: readonly Mistake[] = [
  [
    (client) => acquireLock(client, "/a", { identifer: "me" } as Untyped),
    /acquireLock \/a has the option "identifer"/,
  ],
  [
    (client) => acquireLock(client, "/a", { identifier: 5 } as Untyped),
    /identifier is 5; it must be a string/,
  ],
  [(client) => acquireLock(client, "/a", { deadlineMs: -1 }), /deadlineMs is -1/],
  [
    (client) => acquireLease(client, "/a", {} as Untyped),
    /maxLeases is undefined; it must be a whole number/,
  ],
  [(client) => acquireLease(client, "/a", { maxLeases: 0 }), /maxLeases is 0/],
  [(client) => campaign(client, "/a", undefined as Untyped), /lead is undefined; it must be a function/],
  [(client) => joinGroup(client, "/a", { identifier: 5 } as Untyped), /identifier is 5/],
  [(client) => raiseBarrier(client, "/a", { members: 2 } as Untyped), /the option "members"/],
  [(client) => enterDoubleBarrier(client, "/a", { members: 0 }), /members is 0/],
  [(client) => new Queue(client, "/a").put("job" as Untyped), /data is "job"/],
  [
    (client) => new Queue(client, "/a").take({ deadlineMs: 5 } as Untyped),
    /the option "deadlineMs", .*known: signal/,
  ],
  [(client) => new Counter(client, "/a").add("1" as Untyped), /1/],
  [
    async (client) => new ZnodeCache(client, "/a", { scope: "tree" } as Untyped),
    /scope is "tree"; it must be one of/,
  ],
  [(client) => new Services(() => client, "/a").register({ name: "web" } as Untyped), /address is undefined/],
  [(client) => new Services(() => client, "/a").register({ name: 5 } as Untyped), /name of the service is 5/],
  [
    (client) => TransactionParticipant.open(client, "/a", "me", {} as Untyped),
    /prepare is undefined; it must be a func/,
  ],
  [
    async (client) => (await TransactionCoordinator.open(client, "/a")).begin({} as Untyped),
    /participants is undef/,
  ],
];

const clients: readonly (readonly [options: Untyped, message: RegExp])[] = [
  [{ servers: undefined }, /servers is undefined; it must be a string/],
  [{ server: "127.0.0.1" }, /the client has the option "server", which is not known/],
  [
    { sessionTimeoutMs: "5000" },
    /sessionTimeoutMs is "5000"; it must be a whole number from 1 to 2147483647/,
  ],
  [{ sessionTimeoutMs: 0 }, /sessionTimeoutMs is 0/],
  [{ retry: "always" }, /retry is "always"; it must be one of nothing, reads, conditional/],
  [{ auth: "user:secret" }, /auth is not shown; it must be a list, of which each is an object/],
  [{ auth: [{ scheme: "digest", auth: 5 }] }, /auth is not shown/],
  [{ resume: {} }, /resume is not shown; it must be the `identity`/],
  [{ resume: { sessionId: 2n ** 63n, password: new Uint8Array(16) } }, /resume is not shown/],
  [{ readOnly: "no" }, /readOnly is "no"; it must be true or false/],
  [{ acl: "open" }, /acl is "open"/],
];

/** What no compiler has checked. */
export function mistakeTests(connectString: string): void {
  it(
    "names the argument that is wrong, its value and what is allowed, and goes on",
    { timeout: 20_000 },
    () =>
      withClients(connectString, async ({ connect }) => {
        const client = await connect();
        for (const [call, message] of [...calls, ...recipes]) {
          const error: ZooKeeperError = await failure(call(client), "BAD_ARGUMENTS");
          assert.match(error.message, message);
          assert.ok(!error.maybeApplied);
        }
        assert.deepEqual(
          (await client.children("/")).children.filter((name) => name !== "a"),
          [],
        );
        assert.equal(client.state, "connected");
      }),
  );

  it("names the option of a client that is wrong, but shows no secret", { timeout: 20_000 }, async () => {
    for (const [options, message] of clients) {
      const connecting = ZooKeeper.connect({ servers: connectString, ...options });
      const error = await failure(connecting, "BAD_ARGUMENTS");
      assert.match(error.message, message);
      assert.ok(!error.message.includes("secret"));
    }
  });
}
