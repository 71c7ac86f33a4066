import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Coordination, CoordinationError } from "../../src/coordination/coordination.ts";
import { openWire } from "../../src/coordination/wire/open-wire.ts";
import { JuteWriter } from "../../src/zookeeper/wire/jute.ts";
import { reached, recordingWatcher, rejectsWith } from "../support/conformance/service.ts";
import { type FakeClient, startFakeZooKeeper } from "../support/fake-zookeeper.ts";

const [GET, SET_WATCHES, AUTH, CLOSE] = [4, 101, 100, -11];
const SESSION_TIMEOUT_MS = 20_000;

/** What a real server does with closeSession. */
const answerClose = (client: FakeClient, xid: number) => {
  client.reply(xid, 0);
  client.disconnect();
};

const writeStat = (writer: JuteWriter) => {
  writer.long(1n).long(1n).long(0n).long(0n).int(0).int(0).int(0).long(0n).int(0).int(0).long(1n);
};

/** Runs a client against a server that follows `script`. */
async function against(
  script: (client: FakeClient, connection: number) => Promise<void>,
  body: (session: Coordination) => Promise<void>,
  settings: { auth?: string; sessionTimeoutMs?: number } = {},
): Promise<void> {
  const fake = await startFakeZooKeeper(script);
  try {
    const session = await openWire({
      connectString: fake.address,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      ...settings,
    })();
    try {
      await body(session);
    } finally {
      await session.close();
    }
  } finally {
    await fake.close();
  }
}

/** Answers reads with an empty znode until the client closes. */
async function serveReads(client: FakeClient): Promise<void> {
  for (;;) {
    const { xid, type } = await client.request();
    if (type === CLOSE) return answerClose(client, xid);
    client.reply(xid, 0, (writer) =>
      type === GET ? writeStat(writer.bytes(new Uint8Array())) : writeStat(writer),
    );
  }
}

describe("wire client, against a server that misbehaves", { timeout: 60_000 }, () => {
  it("understands packets that arrive byte by byte", { timeout: 20_000 }, () =>
    against(
      async (client) => {
        await client.welcome(SESSION_TIMEOUT_MS);
        const { xid } = await client.request();
        const writer = new JuteWriter().int(xid).long(77n).int(0).bytes(Buffer.from("value"));
        writeStat(writer);
        for (const byte of writer.packet()) {
          client.send(Uint8Array.of(byte));
          await new Promise((resolve) => setImmediate(resolve));
        }
        await serveReads(client);
      },
      async (session) => {
        assert.equal(Buffer.from((await session.get("/a")).data).toString(), "value");
      },
    ),
  );

  it("accepts a reply of many megabytes", { timeout: 20_000 }, () =>
    against(
      async (client) => {
        await client.welcome(SESSION_TIMEOUT_MS);
        const { xid } = await client.request();
        client.reply(xid, 0, (writer) => writeStat(writer.bytes(Buffer.alloc(10_000_000, 7))));
        await serveReads(client);
      },
      async (session) => {
        const { data } = await session.get("/a");
        assert.ok(Buffer.alloc(10_000_000, 7).equals(data));
      },
    ),
  );

  const nonsense: [string, (client: FakeClient, xid: number) => void][] = [
    ["a packet of 2 GB", (client) => client.send(Uint8Array.of(0x7f, 0xff, 0xff, 0xff, 0, 0))],
    ["a packet of negative length", (client) => client.send(Uint8Array.of(0xff, 0, 0, 0, 0, 0))],
    [
      "a reply that ends in the middle",
      (client, xid) => client.reply(xid, 0, (writer) => writer.int(100).int(1)),
    ],
    ["a reply to a request never sent", (client, xid) => client.reply(xid + 1000, 0)],
    [
      "the end of the connection in the middle of a packet",
      (client) => {
        client.send(Uint8Array.of(0, 0, 1, 0, 5, 5, 5));
        client.disconnect();
      },
    ],
  ];
  for (const [what, send] of nonsense) {
    it(`gives up the connection and keeps the session when it gets ${what}`, { timeout: 20_000 }, () =>
      against(
        async (client, connection) => {
          const { sessionId, password, lastZxid } = await client.welcome(SESSION_TIMEOUT_MS);
          if (connection > 0) {
            assert.deepEqual([sessionId, password, lastZxid], [0x1234n, "0123456789abcdef", 77n]);
            return serveReads(client);
          }
          client.reply((await client.request()).xid, 0, writeStat);
          send(client, (await client.request()).xid);
        },
        async (session) => {
          await session.exists("/a");
          const disconnected = reached(session, "disconnected");
          await rejectsWith(session.get("/a"), "CONNECTION_LOSS");
          await disconnected;
          await reached(session, "connected");
          assert.equal((await session.get("/a")).data.length, 0);
        },
      ),
    );
  }

  it("pings an idle server, and gives it up when nothing comes for two thirds of the session time-out", {
    timeout: 20_000,
  }, () => {
    const silent = Promise.withResolvers<void>();
    let pings = 0;
    return against(
      async (client) => {
        await client.welcome(300);
        if (pings === 3) return serveReads(client);
        while (pings < 3) {
          const packet = await client.packet();
          const [xid, type] = [packet.int(), packet.int()];
          assert.deepEqual([xid, type], [-2, 11]);
          pings++;
          client.reply(xid, 0);
        }
        silent.resolve();
      },
      async (session) => {
        await silent.promise;
        await reached(session, "disconnected");
        await reached(session, "connected");
      },
    );
  });

  it("sets watches again in packets that every server accepts, each watch once", { timeout: 20_000 }, () => {
    const count = 3000;
    const name = "n".repeat(200);
    const told: string[] = [];
    let packets = 0;
    const complete = Promise.withResolvers<void>();
    return against(
      async (client, connection) => {
        await client.welcome(SESSION_TIMEOUT_MS);
        for (;;) {
          const { xid, type, body } = await client.request();
          if (type === CLOSE) return answerClose(client, xid);
          if (type !== SET_WATCHES) {
            const missing = body.string().endsWith("0");
            client.reply(xid, missing ? -101 : 0, missing ? undefined : writeStat);
            if (connection === 0 && xid === count) client.disconnect();
            continue;
          }
          packets++;
          assert.ok(body.remaining < 200_000);
          assert.equal(body.long(), 77n);
          for (const kind of ["data", "exists", "children"]) {
            told.push(...body.list(() => `${kind} ${body.string()}`));
          }
          client.reply(xid, 0);
          if (told.length === count) complete.resolve();
        }
      },
      async (session) => {
        const paths = Array.from({ length: count }, (_, index) => `/${name}${index}`);
        const { watcher } = recordingWatcher();
        await Promise.all(paths.map((path) => session.exists(path, watcher)));
        await complete.promise;
        const expected = paths.map((path) => `${path.endsWith("0") ? "exists" : "data"} ${path}`);
        assert.deepEqual(told.toSorted(), expected.toSorted());
        assert.ok(packets > 1);
      },
    );
  });

  it("sends its credentials before anything else, on each connection", { timeout: 20_000 }, () =>
    against(
      async (client, connection) => {
        await client.welcome(SESSION_TIMEOUT_MS);
        const { xid, type, body } = await client.request();
        assert.deepEqual([xid, type, body.int(), body.string()], [-4, AUTH, 0, "digest"]);
        assert.equal(Buffer.from(body.bytes()).toString(), "user:pass");
        client.reply(xid, 0);
        client.reply((await client.request()).xid, 0, writeStat);
        if (connection === 0) client.disconnect();
        else await serveReads(client);
      },
      async (session) => {
        const disconnected = reached(session, "disconnected");
        await session.exists("/a");
        await disconnected;
        await reached(session, "connected");
        await session.exists("/a");
      },
      { auth: "user:pass" },
    ),
  );

  it("does not open when its credentials are refused", { timeout: 20_000 }, async () => {
    const refuse = async (client: FakeClient) => {
      await client.welcome(SESSION_TIMEOUT_MS);
      client.reply((await client.request()).xid, -115);
    };
    await rejectsWith(
      against(refuse, async () => {}, { auth: "user:pass" }),
      "AUTH_FAILED",
    );
  });

  it("ends a session only when the next server says that it expired", {
    timeout: 20_000,
  }, () => {
    const attempts = Promise.withResolvers<void>();
    return against(
      async (client, connection) => {
        if (connection === 0) {
          await client.welcome(100);
          return;
        }
        // Long after the session time-out the server is there, and does not say what became of the session.
        await client.packet();
        if (connection < 6) return client.disconnect();
        attempts.resolve();
        const expired = new JuteWriter().int(0).int(0).long(0n).bytes(new Uint8Array(16)).bool(false);
        client.send(expired.packet());
      },
      async (session) => {
        const states: string[] = [];
        session.onState((state) => states.push(state));
        await attempts.promise;
        assert.deepEqual(states, ["disconnected"]);
        await reached(session, "expired");
      },
    );
  });

  it("refuses a request that no server would accept, and continues", { timeout: 20_000 }, () =>
    against(
      async (client) => {
        await client.welcome(SESSION_TIMEOUT_MS);
        await serveReads(client);
      },
      async (session) => {
        await rejectsWith(session.create("/a", new Uint8Array(1024 * 1024), "persistent"), "BAD_ARGUMENTS");
        assert.equal((await session.exists("/a"))?.version, 0);
      },
    ),
  );

  it("includes the server's code in an unknown error", { timeout: 20_000 }, () =>
    against(
      async (client) => {
        await client.welcome(SESSION_TIMEOUT_MS);
        client.reply((await client.request()).xid, -999);
        await serveReads(client);
      },
      async (session) => {
        await assert.rejects(session.create("/a", new Uint8Array(), "persistent"), (error) => {
          assert.ok(CoordinationError.is(error, "SYSTEM"));
          assert.match(error.message, /create \/a: .*-999/);
          return true;
        });
      },
    ),
  );
});
