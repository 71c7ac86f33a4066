import assert from "node:assert/strict";
import { it } from "node:test";
import {
  acquireLease,
  acquireLock,
  Counter,
  campaign,
  creatorAcl,
  digestId,
  joinGroup,
  openAcl,
  Queue,
  raiseBarrier,
  readAcl,
  TransactionCoordinator,
  ZooKeeper,
} from "../../../src/zookeeper/index.ts";
import type { ZooKeeperMember } from "../../support/zookeeper.ts";
import { bytes, failure, inState, withClients } from "../../support/zookeeper-clients.ts";

/** Identities, and what they may do. */
export function accessTests(connectString: string, member: ZooKeeperMember): void {
  it("keeps a znode to the identities that its ACL names", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const [owner, stranger] = await Promise.all([
        connect({ auth: [{ scheme: "digest", auth: "alice:secret" }] }),
        connect(),
      ]);
      await owner.create("/own", undefined, { acl: [...readAcl, ...creatorAcl] });
      await stranger.sync();
      await stranger.get("/own");
      await failure(stranger.set("/own", bytes("1")), "NO_AUTH");
      await failure(stranger.create("/mine", undefined, { acl: creatorAcl }), "INVALID_ACL");
      const { acl, stat } = await owner.getAcl("/own");
      assert.deepEqual(acl[1], {
        scheme: "digest",
        id: digestId("alice", "secret"),
        permissions: ["read", "write", "create", "delete", "admin"],
      });
      await failure(owner.setAcl("/own", openAcl, { version: stat.aversion + 1 }), "BAD_VERSION");
      assert.equal((await owner.setAcl("/own", openAcl, { version: stat.aversion })).aversion, 1);
      await stranger.set("/own", bytes("1"));
    }),
  );

  it("gives what it creates its own ACL, unless a call names another", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const auth = [{ scheme: "digest", auth: "alice:secret" }];
      const client = await connect({ auth, acl: creatorAcl });
      await client.create("/a");
      await client.createAll("/b/c");
      await client.multi([{ type: "create", path: "/d" }]);
      await client.create("/e", undefined, { acl: readAcl });
      await client.createAll("/f", { acl: readAcl });
      await client.multi([{ type: "create", path: "/g", acl: readAcl }]);
      for (const path of ["/a", "/b", "/b/c", "/d"])
        assert.equal(await ownerOf(client, path), "digest", path);
      for (const path of ["/e", "/f", "/g"]) assert.equal(await ownerOf(client, path), "world", path);
    }),
  );

  it("keeps strangers out of recipes by the ACL of their client", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const auth = [{ scheme: "digest", auth: "alice:secret" }];
      const [owner, friend, stranger] = await Promise.all([
        connect({ auth, acl: creatorAcl }),
        connect({ auth, acl: creatorAcl }),
        connect(),
      ]);
      const lock = await acquireLock(owner, "/lock");
      const next = acquireLock(friend, "/lock");
      await acquireLease(owner, "/semaphore", { maxLeases: 2 });
      await campaign(owner, "/election", () => {});
      await joinGroup(owner, "/group");
      await new Queue(owner, "/queue").put(bytes("1"));
      await new Counter(owner, "/counter").add(1);
      await raiseBarrier(owner, "/barrier");
      const coordinator = await TransactionCoordinator.open(owner, "/transactions");
      await coordinator.begin({ participants: ["a"], payload: {}, timeoutMs: 60_000 });
      for (const path of await pathsBelow(owner, "/")) {
        if (path !== "/") assert.equal(await ownerOf(owner, path), "digest", path);
      }
      await failure(acquireLock(stranger, "/lock"), "NO_AUTH");
      await failure(new Queue(stranger, "/queue").put(bytes("2")), "NO_AUTH");
      await failure(new Counter(stranger, "/counter").add(1), "NO_AUTH");
      await lock.release();
      await (await next).release();
      coordinator.close();
    }),
  );

  it("takes one permission for what it is", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      const everybody = { scheme: "world", id: "anyone" };
      await client.create("/a", undefined, { acl: [{ ...everybody, permissions: ["create", "admin"] }] });
      await client.create("/a/b");
      await failure(client.get("/a"), "NO_AUTH");
      await failure(client.set("/a", bytes("1")), "NO_AUTH");
      await failure(client.delete("/a/b"), "NO_AUTH");
      const ip = [{ scheme: "ip", id: "127.0.0.1", permissions: ["read", "delete"] as const }];
      await client.setAcl("/a", ip);
      assert.deepEqual((await client.getAcl("/a")).acl, ip);
      await client.delete("/a/b");
      await failure(client.setAcl("/a", openAcl), "NO_AUTH");
    }),
  );

  it("has an identity more after a reconnect too", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connectThroughProxy }) => {
      const { client, proxy } = await connectThroughProxy();
      await client.addAuth("digest", "bob:secret");
      await client.create("/bobs", undefined, { acl: creatorAcl });
      proxy.setMode("cut");
      await inState(client, "disconnected");
      proxy.setMode("pass");
      await client.set("/bobs", bytes("1"));
      assert.deepEqual((await client.whoAmI()).map(({ scheme }) => scheme).toSorted(), ["digest", "ip"]);
    }),
  );

  it("keeps its session when an identity is refused, and does not try it again", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      await failure(client.addAuth("unknown", "secret"), "AUTH_FAILED");
      const id = client.sessionId;
      await client.get("/");
      assert.deepEqual([client.sessionId, client.state], [id, "connected"]);
      const refused = await failure(client.addAuth("digest", "secret"), "BAD_ARGUMENTS");
      assert.ok(!refused.message.includes("secret"));
      await failure(connect({ auth: [{ scheme: "unknown", auth: "secret" }] }), "AUTH_FAILED");
    }),
  );

  it("is known by its certificate", { timeout: 20_000 }, async () => {
    const { address = "", certificate = "", key = "" } = member.tls ?? {};
    const tls = { ca: certificate, cert: certificate, key };
    const client = await ZooKeeper.connect({ servers: address, tls });
    try {
      const identities = await client.whoAmI();
      assert.deepEqual(
        identities.filter(({ scheme }) => scheme === "x509"),
        [{ scheme: "x509", id: "CN=localhost" }],
      );
      await client.create("/x509", undefined, { mode: "ephemeral", acl: creatorAcl });
      const [entry] = (await client.getAcl("/x509")).acl;
      assert.deepEqual([entry?.scheme, entry?.id], ["x509", "CN=localhost"]);
    } finally {
      await client.close();
    }
    await failure(
      ZooKeeper.connect({ servers: address, tls: { ca: certificate }, deadlineMs: 500 }),
      "DEADLINE_EXCEEDED",
    );
  });
}

/** The scheme of a znode's only ACL entry. */
async function ownerOf(client: ZooKeeper, path: string): Promise<string | undefined> {
  const { acl } = await client.getAcl(path);
  assert.equal(acl.length, 1);
  return acl[0]?.scheme;
}

async function pathsBelow(client: ZooKeeper, path: string): Promise<string[]> {
  const { children } = await client.children(path);
  const below = children.map((name) => pathsBelow(client, `${path === "/" ? "" : path}/${name}`));
  return [path, ...(await Promise.all(below)).flat()];
}
