import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { describe, it } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { DataService } from "../../../gen/kvlab/v1/data_pb.ts";
import { NotAppliedSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import { createTransports } from "../../../src/client/transport/http2.ts";
import { freePorts } from "../../support/free-ports.ts";
import { commandFor } from "../../support/run-program.ts";
import { startToyNode } from "../../support/toy-node.ts";
import { until } from "../../support/until.ts";

const timeout = 60_000;
const value = { case: "text", value: "a" } as const;

async function errorOf(call: Promise<unknown>): Promise<ConnectError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => ConnectError.from(reason),
  );
  assert.ok(error !== undefined, "the call succeeded");
  return error;
}

function saysNotApplied(error: ConnectError): boolean {
  return error.findDetails(NotAppliedSchema).length > 0;
}

async function startProcess(...args: string[]): Promise<ChildProcess> {
  const child = spawn(...commandFor(new URL("../../support/toy-program.ts", import.meta.url), args), {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout ?? child, "data");
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

/** A TCP relay whose connections can be frozen: they stay open, and nothing passes. */
async function startRelay(targetPort: number) {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(targetPort, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far);
    far.pipe(near);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return {
    address: `127.0.0.1:${address.port}`,
    freeze() {
      for (const socket of sockets) {
        socket.unpipe();
        socket.pause();
      }
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe("a peer that cannot be reached", () => {
  it("is UNAVAILABLE, and the call certainly not applied", { timeout }, async () => {
    const [port] = await freePorts(1);
    const transports = createTransports();
    const data = createClient(DataService, transports.transportTo(`127.0.0.1:${port}`));
    for (let i = 0; i < 3; i++) {
      const error = await errorOf(data.put({ key: "a", value }));
      assert.equal(error.code, Code.Unavailable);
      assert.ok(saysNotApplied(error));
      assert.ok(error.message.includes(`127.0.0.1:${port}`), error.message);
    }
    transports.close();
  });

  it("is UNAVAILABLE when nobody takes the connection", { timeout }, async () => {
    const [port = 0] = await freePorts(1);
    const child = await startProcess(String(port), "backlog");
    const transports = createTransports({ connectTimeoutMs: 300 });
    const fillers: Socket[] = [];
    try {
      child.kill("SIGSTOP");
      // Connections that the stopped process will never take, until there is no room for more.
      for (let taken = true; taken; ) {
        const filler = connect(port, "127.0.0.1");
        filler.on("error", () => {});
        fillers.push(filler);
        const full = new Promise<false>((resolve) => setTimeout(resolve, 300, false));
        taken = await Promise.race([once(filler, "connect").then(() => true), full]);
      }
      const data = createClient(DataService, transports.transportTo(`127.0.0.1:${port}`));
      const errors = await Promise.all([1, 2].map(() => errorOf(data.put({ key: "a", value }))));
      for (const error of errors) {
        assert.equal(error.code, Code.Unavailable);
        assert.ok(saysNotApplied(error), error.message);
      }
    } finally {
      for (const filler of fillers) filler.destroy();
      transports.close();
      await kill(child);
    }
  });

  it("is UNAVAILABLE when it shuts down, and the call certainly not applied", { timeout }, async () => {
    let go = () => {};
    const gone = new Promise<void>((resolve) => {
      go = resolve;
    });
    let begin = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    let puts = 0;
    const node = await startToyNode({
      async onPut() {
        puts++;
        begin();
        await gone;
      },
    });
    const transports = createTransports();
    const data = createClient(DataService, transports.transportTo(node.baseUrl));
    const call = data.put({ key: "a", value });
    await begun;
    const closed = node.close();
    for (let i = 0; i < 10; i++) {
      const error = await errorOf(data.put({ key: "b", value }));
      assert.equal(error.code, Code.Unavailable);
      assert.ok(saysNotApplied(error), error.message);
    }
    go();
    assert.equal((await call).revision, 1n);
    await closed;
    assert.equal(puts, 1);
    transports.close();
  });
});

describe("a peer that breaks off", () => {
  it("as soon as it has accepted is UNAVAILABLE", { timeout }, async () => {
    for (const hangUp of ["destroy", "resetAndDestroy", "end"] as const) {
      const server = createServer((socket) => {
        socket.on("error", () => {});
        socket.resume();
        socket[hangUp]();
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const address = server.address();
      assert.ok(address !== null && typeof address === "object");
      const transports = createTransports();
      const data = createClient(DataService, transports.transportTo(`127.0.0.1:${address.port}`));
      for (let i = 0; i < 5; i++) {
        const error = await errorOf(data.put({ key: "a", value }, { timeoutMs: 10_000 }));
        assert.equal(error.code, Code.Unavailable, error.message);
      }
      transports.close();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it("without a word between two calls is found out before the second", { timeout }, async () => {
    const node = await startToyNode();
    const relay = await startRelay(node.port);
    const transports = createTransports({ pingIntervalMs: 1, pingTimeoutMs: 1_000 });
    const data = createClient(DataService, transports.transportTo(relay.address));
    try {
      await data.put({ key: "a", value });
      relay.freeze();
      const frozenAt = performance.now();
      await until("the peer has been silent", 5_000, () => performance.now() - frozenAt > 1);
      await data.put({ key: "b", value });
    } finally {
      transports.close();
      await relay.close();
      await node.close();
    }
  });
});

describe("a peer that dies under a call", () => {
  it("leaves the outcome open, and is called again once it is back", { timeout }, async () => {
    const [port = 0] = await freePorts(1);
    const transports = createTransports();
    const data = createClient(DataService, transports.transportTo(`127.0.0.1:${port}`));
    let child = await startProcess(String(port));
    try {
      for (let round = 0; round < 2; round++) {
        await data.put({ key: "a", value });
        const call = errorOf(data.put({ key: "wait", value }));
        await data.put({ key: "a", value });
        await kill(child);
        const error = await call;
        assert.equal(error.code, Code.Unavailable);
        assert.ok(!saysNotApplied(error), error.message);
        assert.ok(saysNotApplied(await errorOf(data.put({ key: "a", value }))));
        child = await startProcess(String(port));
        await data.put({ key: "a", value });
      }
    } finally {
      await kill(child);
      transports.close();
    }
  });

  it("is noticed when it vanishes without a word", { timeout }, async () => {
    const node = await startToyNode({
      drainMs: 100,
      onPut: ({ key }) => (key === "wait" ? new Promise(() => {}) : undefined),
    });
    const relay = await startRelay(node.port);
    const transports = createTransports({ pingIntervalMs: 50, pingTimeoutMs: 1_000 });
    const data = createClient(DataService, transports.transportTo(relay.address));
    try {
      await data.put({ key: "a", value });
      const call = errorOf(data.put({ key: "wait", value }));
      await data.put({ key: "a", value });
      relay.freeze();
      const error = await call;
      assert.equal(error.code, Code.Unavailable);
      assert.ok(!saysNotApplied(error), error.message);
      // New connections pass.
      await data.put({ key: "a", value });
    } finally {
      transports.close();
      await relay.close();
      await node.close();
    }
  });
});
