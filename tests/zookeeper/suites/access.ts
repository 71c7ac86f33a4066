import assert from "node:assert/strict";
import { it } from "node:test";
import { creatorAcl, digestId, openAcl, readAcl, ZooKeeper } from "../../../src/zookeeper/index.ts";
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
