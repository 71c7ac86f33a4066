import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type RetryPolicy, ZooKeeper } from "../../src/zookeeper/index.ts";
import { JuteWriter } from "../../src/zookeeper/wire/jute.ts";
import { type FakeClient, startFakeZooKeeper } from "../support/fake-zookeeper.ts";
import { failure, inState, recorder } from "../support/zookeeper-clients.ts";

const [GET, MULTI, MULTI_READ, ADD_WATCH, SET_WATCHES, SET_WATCHES_2, CLOSE] = [
  4, 14, 22, 106, 101, 105, -11,
];
const [NOT_TRIED, UNIMPLEMENTED, OPERATION_TIMEOUT, SESSION_EXPIRED] = [-2, -6, -7, -112];
const SESSION_TIMEOUT_MS = 20_000;

const writeStat = (writer: JuteWriter) => {
  writer.long(1n).long(1n).long(0n).long(0n).int(0).int(0).int(0).long(0n).int(0).int(0).long(1n);
};

/** Runs a client against a server that follows `script`. */
async function against(
  script: (client: FakeClient, connection: number) => Promise<void>,
  body: (client: ZooKeeper) => Promise<void>,
  retry: RetryPolicy = "reads",
): Promise<void> {
  const fake = await startFakeZooKeeper(script);
  try {
    const client = await ZooKeeper.connect({
      servers: fake.address,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      retry,
    });
    try {
      await body(client);
    } finally {
      await client.close();
    }
  } finally {
    await fake.close();
  }
}

/** Answers each request as `answer` says, which returns its error, until the client closes. */
async function serve(
  client: FakeClient,
  answer: (type: number, client: FakeClient) => number = () => 0,
): Promise<void> {
  for (;;) {
    const { xid, type } = await client.request();
    if (type === CLOSE) {
      client.reply(xid, 0);
      return client.disconnect();
    }
    const error = answer(type, client);
    client.reply(xid, error, (writer) => {
      if (error === 0) writeStat(type === GET ? writer.bytes(new Uint8Array()) : writer);
    });
    // As servers do with a request that they do not know.
    if (error === UNIMPLEMENTED) client.disconnect();
  }
}

describe("ZooKeeper client, a server on a script", { timeout: 60_000 }, () => {
  it("says that an old server does not know a request, and goes on", { timeout: 20_000 }, () =>
    against(
      async (client) => {
        await client.welcome(SESSION_TIMEOUT_MS);
        const unknown = [ADD_WATCH, MULTI_READ];
        await serve(client, (type) => (unknown.includes(type) ? UNIMPLEMENTED : 0));
      },
      async (client) => {
        const adding = client.addWatch("/a", { mode: "persistent" }, () => {});
        const error = await failure(adding, "UNIMPLEMENTED");
        assert.match(error.message, /addWatch \/a: the server does not know this request/);
        await client.get("/a");
        await failure(client.multiRead([{ type: "get", path: "/a" }]), "UNIMPLEMENTED");
        await client.get("/a");
      },
    ),
  );

  it(
    "takes a refused write for the end of its session, also when reads and pings are still answered",
    {
      timeout: 20_000,
    },
    () =>
      against(
        async (client) => {
          await client.welcome(SESSION_TIMEOUT_MS);
          await serve(client, (type) => (type === GET ? 0 : SESSION_EXPIRED));
        },
        async (client) => {
          const held = client.connectedSignal();
          await client.get("/a");
          await failure(client.create("/b"), "SESSION_EXPIRED");
          assert.equal(client.state, "expired");
          assert.ok(held.aborted);
          await failure(client.get("/a"), "SESSION_EXPIRED");
        },
      ),
  );

  it(
    "takes a refused multi for the end of its session, too, whose error is among its results",
    {
      timeout: 20_000,
    },
    () =>
      against(
        async (client) => {
          await client.welcome(SESSION_TIMEOUT_MS);
          const { xid, type } = await client.request();
          assert.equal(type, MULTI);
          client.reply(xid, 0, (writer) => {
            for (const error of [SESSION_EXPIRED, NOT_TRIED])
              writer.int(-1).bool(false).int(error).int(error);
            writer.int(-1).bool(true).int(-1);
          });
        },
        async (client) => {
          const held = client.connectedSignal();
          const paths = ["/a", "/b"];
          const refused = client.multi(paths.map((path) => ({ type: "delete", path })));
          assert.equal((await failure(refused, "SESSION_EXPIRED")).index, 0);
          assert.equal(client.state, "expired");
          assert.ok(held.aborted);
        },
      ),
  );

  it(
    "takes a multi without results, of which no operation has failed, for a broken answer",
    {
      timeout: 20_000,
    },
    () =>
      against(
        async (client, connection) => {
          await client.welcome(SESSION_TIMEOUT_MS);
          if (connection > 0) return serve(client);
          const { xid } = await client.request();
          client.reply(xid, 0, (writer) => {
            for (const error of [0, NOT_TRIED]) writer.int(-1).bool(false).int(error).int(error);
            writer.int(-1).bool(true).int(-1);
          });
          await serve(client);
        },
        async (client) => {
          const paths = ["/a", "/b"];
          const broken = client.multi(paths.map((path) => ({ type: "delete", path })));
          assert.ok((await failure(broken, "CONNECTION_LOSS")).maybeApplied);
        },
      ),
  );

  // Servers before 3.9 remove all watches of a path with one of them: ZOOKEEPER-4472.
  it("asks for the end of no watch while another one of the path waits for its answer", {
    timeout: 20_000,
  }, () => {
    const { promise: next, resolve: ask } = Promise.withResolvers<number>();
    return against(
      async (client) => {
        await client.welcome(SESSION_TIMEOUT_MS);
        const [first, second] = [await client.request(), await client.request()];
        client.reply(first.xid, 0);
        const { xid, type } = await client.request();
        ask(type);
        client.reply(second.xid, 0);
        client.reply(xid, 0, (writer) => writeStat(writer.bytes(new Uint8Array())));
        await serve(client);
      },
      async (client) => {
        const add = () => client.addWatch("/a", { mode: "persistent" }, () => {});
        const [first, second] = [add(), add()];
        const removed = (await first).remove();
        await client.get("/b");
        assert.equal(await next, GET);
        await Promise.all([removed, second]);
      },
    );
  });

  it("sends an old server no packet that it does not know, as long as no persistent watch asks for it", {
    timeout: 20_000,
  }, () => {
    const types: number[] = [];
    return against(
      async (client, connection) => {
        await client.welcome(SESSION_TIMEOUT_MS);
        await serve(client, (type) => {
          if (type === SET_WATCHES || type === SET_WATCHES_2) types.push(type);
          if (connection < 2 && type === GET) setImmediate(() => client.disconnect());
          return 0;
        });
      },
      async (client) => {
        const lose = async () => {
          const lost = inState(client, "disconnected");
          await client.get("/a", { watch: () => {} });
          await lost;
          await inState(client, "connected");
        };
        await lose();
        await client.addWatch("/b", { mode: "persistent-recursive" }, () => {});
        await lose();
        await client.exists("/a");
        assert.deepEqual(types, [SET_WATCHES, SET_WATCHES_2]);
      },
    );
  });

  // ZOOKEEPER-706, ZOOKEEPER-1871: servers break the connection at a packet of more than 1 MiB, for ever.
  it("sets many watches again in packets that every server accepts", { timeout: 20_000 }, () => {
    const count = 6000;
    const name = "n".repeat(200);
    const complete = Promise.withResolvers<void>();
    const told = new Set<string>();
    return against(
      async (client, connection) => {
        await client.welcome(SESSION_TIMEOUT_MS);
        let requests = 0;
        for (;;) {
          const { xid, type, body } = await client.request();
          if (type === CLOSE) {
            client.reply(xid, 0);
            return client.disconnect();
          }
          if (type === SET_WATCHES_2) {
            assert.ok(body.remaining < 200_000);
            assert.equal(body.long(), 77n);
            for (let kind = 0; kind < 5; kind++)
              for (const path of body.list(() => body.string())) told.add(path);
            if (told.size === count) complete.resolve();
          }
          client.reply(xid, 0, (writer) => type === ADD_WATCH && writer.int(0));
          if (++requests === count && connection === 0) client.disconnect();
        }
      },
      async (client) => {
        const mode = "persistent-recursive";
        const paths = Array.from({ length: count }, (_, index) => `/${name}${index}`);
        await Promise.all(paths.map((path) => client.addWatch(path, { mode }, () => {})));
        await complete.promise;
        assert.deepEqual(told, new Set(paths));
      },
    );
  });

  it(
    "goes to the next connection when a server passes a request over, which it never answers then",
    {
      timeout: 20_000,
    },
    () =>
      against(
        async (client, connection) => {
          // So long that its silence does not end the connection first.
          await client.welcome(3 * SESSION_TIMEOUT_MS);
          if (connection > 0) return serve(client);
          await client.request();
          const { xid } = await client.request();
          client.reply(xid, 0, (writer) => writeStat(writer.bytes(new Uint8Array())));
          await serve(client);
        },
        async (client) => {
          const passedOver = client.set("/a", new Uint8Array());
          const next = client.get("/b");
          const error = await failure(passedOver, "CONNECTION_LOSS");
          assert.ok(error.maybeApplied);
          assert.equal((await next).data.length, 0);
        },
      ),
  );

  it("repeats what the server itself gave up, with a pause", { timeout: 20_000 }, () => {
    let left = 3;
    return against(
      async (client) => {
        await client.welcome(SESSION_TIMEOUT_MS);
        await serve(client, () => (left-- > 0 ? OPERATION_TIMEOUT : 0));
      },
      async (client) => {
        await client.exists("/a");
        assert.equal(left, -1);
        left = 1;
        const lost = await failure(client.set("/a", new Uint8Array()), "CONNECTION_LOSS");
        assert.equal(lost.maybeApplied, true);
      },
    );
  });

  it(
    "gives up at its deadline when a server breaks each connection at its request",
    { timeout: 20_000 },
    () =>
      against(
        async (client) => {
          await client.welcome(SESSION_TIMEOUT_MS);
          const { xid, type } = await client.request();
          if (type === CLOSE) client.reply(xid, 0);
          client.disconnect();
        },
        async (client) => {
          const reading = client.get("/poison", { deadlineMs: 300 });
          const error = await failure(reading, "DEADLINE_EXCEEDED", "CONNECTION_LOSS");
          assert.equal(error.maybeApplied, false);
        },
      ),
  );

  it("calls a listener once for an event that concerns several of its watches", {
    timeout: 20_000,
  }, async () => {
    const { promise: asked, resolve: ask } = Promise.withResolvers<FakeClient>();
    await against(
      async (client) => {
        await client.welcome(SESSION_TIMEOUT_MS);
        ask(client);
        await serve(client);
      },
      async (client) => {
        const seen = recorder();
        await client.get("/a", { watch: seen.listener });
        await client.exists("/a", { watch: seen.listener });
        const [xid, changed, connected] = [-1, 3, 3];
        const event = new JuteWriter().int(xid).long(-1n).int(0).int(changed).int(connected).string("/a");
        (await asked).send(event.packet());
        await client.exists("/b");
        assert.deepEqual(seen.told, ["changed /a"]);
      },
    );
  });

  it("ends a call that is aborted as its user is told why the connection was lost", {
    timeout: 20_000,
  }, async () => {
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const fake = await startFakeZooKeeper(async (server, connection) => {
      // Nobody answers after the first connection.
      if (connection > 0) return;
      await server.welcome(SESSION_TIMEOUT_MS);
      await server.request();
      ask();
      server.disconnect();
    });
    const giveUp = new AbortController();
    const client = await ZooKeeper.connect({
      servers: fake.address,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      onDiagnostic: () => giveUp.abort(),
    });
    try {
      await failure(client.get("/a", { signal: giveUp.signal, deadlineMs: 5000 }), "ABORTED");
      await asked;
    } finally {
      await client.close();
      await fake.close();
    }
  });
});
