import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { createServer, type Server } from "node:net";
import { after, describe, it } from "node:test";
import { openWire } from "../../src/coordination/wire/open-wire.ts";
import { freePorts } from "../support/free-ports.ts";
import { withSession } from "../support/with-session.ts";
import { startZooKeeper } from "../support/zookeeper.ts";

const SESSION_TIMEOUT_MS = 20_000;

// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const zookeeper = await startZooKeeper({ tls: true });
after(() => zookeeper.close());

const openAt = (connectString: string) => openWire({ connectString, sessionTimeoutMs: SESSION_TIMEOUT_MS });

describe("opening a session", { timeout: 60_000 }, () => {
  /** Opens a session where there is no ZooKeeper, until it has said so much of the trouble. */
  const troublesAt = async (connectString: string, count = 1, tls?: object): Promise<string[]> => {
    const diagnostics: string[] = [];
    const enough = new AbortController();
    const opening = openWire({ connectString, sessionTimeoutMs: 1500, ...(tls && { tls }) })({
      signal: enough.signal,
      onDiagnostic: (message) => {
        diagnostics.push(message);
        if (diagnostics.length === count) enough.abort(new Error("enough"));
      },
    });
    await assert.rejects(opening, /enough/);
    return diagnostics;
  };
  const withServer = async (server: Server, body: (address: string) => Promise<void>) => {
    const open = new Set<{ destroy(): void }>();
    server.on("connection", (socket) => open.add(socket));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const bound = server.address();
      await body(`127.0.0.1:${typeof bound === "object" ? bound?.port : ""}`);
    } finally {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    }
  };

  it("says once what to check when nothing listens, and opens when ZooKeeper is there", {
    timeout: 60_000,
  }, async () => {
    const [member] = zookeeper.members;
    await member?.stop();
    const diagnostics: string[] = [];
    const told = Promise.withResolvers<void>();
    const opening = openAt(zookeeper.connectString)({
      onDiagnostic: (message) => {
        diagnostics.push(message);
        told.resolve();
      },
    });
    await told.promise;
    await member?.start();
    await (await opening).close();
    // While it starts there is trouble of other kinds.
    const unreachable = diagnostics.filter((message) => message.startsWith("cannot reach ZooKeeper"));
    assert.equal(unreachable.length, 1);
    assert.match(unreachable[0] ?? "", new RegExp(`at ${member?.address} .*: check`));
  });

  it("says once for each kind of failure what to check", { timeout: 30_000 }, () =>
    withServer(createServer(), async (silent) => {
      const [port = 0] = await freePorts(1);
      const diagnostics = await troublesAt(`127.0.0.1:${port},${silent}`, 2);
      assert.match(diagnostics.join("\n"), new RegExp(`cannot reach ZooKeeper at 127.0.0.1:${port}`));
      assert.match(diagnostics.join("\n"), new RegExp(`${silent} does not answer`));
    }),
  );

  const strangers: [string, () => Server][] = [
    ["an HTTP server", () => createHttpServer()],
    ["an HTTP/2 server", () => createHttp2Server()],
    ["a server that talks first", () => createServer((socket) => socket.write("220 smtp.example.org\r\n"))],
  ];
  for (const [stranger, create] of strangers) {
    it(`says that ${stranger} is not ZooKeeper`, { timeout: 30_000 }, () =>
      withServer(create(), async (address) => {
        const [trouble = ""] = await troublesAt(address);
        assert.ok(trouble.startsWith(`${address} `), trouble);
        assert.match(trouble, /does not speak ZooKeeper's protocol|breaks the connection/);
      }),
    );
  }

  it("says that a server closes the connection without an answer", { timeout: 30_000 }, () =>
    withServer(
      createServer((socket) => socket.end()),
      async (address) =>
        assert.match((await troublesAt(address))[0] ?? "", /breaks the connection .*majority/),
    ),
  );

  it("stops trying when it is aborted", { timeout: 30_000 }, async () => {
    const [port = 0] = await freePorts(1);
    const stop = new AbortController();
    const opening = openAt(`127.0.0.1:${port}`)({ signal: stop.signal });
    stop.abort(new Error("stopped"));
    await assert.rejects(opening, /stopped/);
  });

  it("finds a server by name", { timeout: 30_000 }, () =>
    withSession(openAt(`localhost:${zookeeper.members[0]?.port}`), async (session) => {
      assert.equal((await session.exists("/"))?.version, 0);
    }),
  );

  it("speaks TLS with a server whose certificate it trusts", { timeout: 30_000 }, async () => {
    const { address = "", certificate = "" } = zookeeper.members[0]?.tls ?? {};
    const settings = { connectString: `${address}/tls`, sessionTimeoutMs: SESSION_TIMEOUT_MS };
    await withSession(openWire({ ...settings, tls: { ca: certificate } }), async (session) => {
      const large = new Uint8Array(900_000).fill(3);
      await session.create("/large", large, "ephemeral");
      assert.ok(Buffer.from(large).equals((await session.get("/large")).data));
    });
  });

  it("speaks TLS with no other server", { timeout: 30_000 }, async () => {
    const { address = "" } = zookeeper.members[0]?.tls ?? {};
    assert.match(
      (await troublesAt(address, 1, {}))[0] ?? "",
      /^no TLS with ZooKeeper at .*check the certificates/,
    );
    const plain = zookeeper.members[0]?.address ?? "";
    assert.match((await troublesAt(plain, 1, {}))[0] ?? "", /^no TLS with ZooKeeper at .*secure port/);
    const stop = new AbortController();
    const nonsense = {
      connectString: address,
      sessionTimeoutMs: 1500,
      tls: { cert: "nonsense", key: "nonsense" },
    };
    // Deno lets it pass until a server asks for it.
    const opening = openWire(nonsense)({
      signal: stop.signal,
      onDiagnostic: (message) => stop.abort(new Error(message)),
    });
    await assert.rejects(opening, /certificates/);
  });
});
