import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { after, describe, it } from "node:test";
import type { SessionState } from "../../src/coordination/coordination.ts";
import { openWire } from "../../src/coordination/wire/open-wire.ts";
import { gone, reached, recordingWatcher } from "../support/conformance/service.ts";
import { commandFor, runProgram } from "../support/run-program.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { withSession } from "../support/with-session.ts";
import { startZooKeeper } from "../support/zookeeper.ts";

const SESSION_TIMEOUT_MS = 20_000;
const nothing = new Uint8Array();
const program = new URL("./session-program.ts", import.meta.url);

// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const zookeeper = await startZooKeeper();
after(() => zookeeper.close());

const openAt = (connectString: string, sessionTimeoutMs = SESSION_TIMEOUT_MS) =>
  openWire({ connectString, sessionTimeoutMs });

describe("a session", { timeout: 60_000 }, () => {
  it("expires when the server says so, after it was silent for its time-out", {
    timeout: 30_000,
  }, async () => {
    const proxy = await startTcpProxy(zookeeper.connectString);
    try {
      await withSession(openAt(zookeeper.connectString), (witness) =>
        withSession(openAt(proxy.address, 1000), async (session) => {
          const states: SessionState[] = [];
          session.onState((state) => states.push(state));
          const { watcher, first } = recordingWatcher();
          await session.create("/expires", nothing, "ephemeral");
          await session.get("/expires", watcher);
          proxy.setMode("silent");
          await gone(witness, "/expires");
          await reached(session, "disconnected");
          assert.deepEqual(states, ["disconnected"]);
          proxy.setMode("cut");
          proxy.setMode("pass");
          await reached(session, "expired");
          assert.equal(await first, "session-lost /expires");
          assert.deepEqual(states, ["disconnected", "expired"]);
        }),
      );
    } finally {
      await proxy.close();
    }
  });

  it("does not attach to a server that knows less than it has seen", { timeout: 60_000 }, async () => {
    const [ahead, behind] = await Promise.all([startZooKeeper(), startZooKeeper()]);
    const proxy = await startTcpProxy(behind.connectString);
    proxy.setMode("cut");
    try {
      const refused = Promise.withResolvers<void>();
      const open = openAt(`${ahead.connectString},${proxy.address}`);
      const session = await open({ onDiagnostic: () => refused.resolve() });
      const states: SessionState[] = [];
      session.onState((state) => states.push(state));
      await session.create("/kept", nothing, "ephemeral");
      proxy.setMode("pass");
      await ahead.members[0]?.kill();
      // All servers were tried: one is down, the other refuses, which must not pass for the end of the session.
      await refused.promise;
      assert.deepEqual(states, ["disconnected"]);
      await ahead.members[0]?.start();
      await reached(session, "connected");
      assert.equal((await session.get("/kept")).stat.own, true);
      await session.close();
    } finally {
      await Promise.all([proxy.close(), ahead.close(), behind.close()]);
    }
  });

  it("is also closed at a server that can be reached only later", { timeout: 30_000 }, async () => {
    const proxy = await startTcpProxy(zookeeper.connectString);
    try {
      await withSession(openAt(zookeeper.connectString), async (witness) => {
        const session = await openAt(proxy.address)();
        await session.create("/closed", nothing, "ephemeral");
        proxy.setMode("cut");
        await reached(session, "disconnected");
        const closing = session.close();
        proxy.setMode("pass");
        await closing;
        await witness.sync("/");
        assert.equal(await witness.exists("/closed"), undefined);
      });
    } finally {
      await proxy.close();
    }
  });

  it("learns that it expired when its process was paused for too long", { timeout: 30_000 }, () =>
    withSession(openAt(zookeeper.connectString), async (witness) => {
      const [command, args] = commandFor(program, [zookeeper.connectString, "/paused", "1000"]);
      const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
      try {
        const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
        assert.equal((await lines.next()).value, "made");
        assert.ok(await witness.exists("/paused"));
        if (child.pid !== undefined) process.kill(child.pid, "SIGSTOP");
        await gone(witness, "/paused");
        if (child.pid !== undefined) process.kill(child.pid, "SIGCONT");
        assert.equal((await lines.next()).value, "disconnected");
        assert.equal((await lines.next()).value, "expired");
      } finally {
        child.kill("SIGKILL");
      }
    }),
  );

  it("leaves nothing behind that keeps its process alive", { timeout: 30_000 }, async () => {
    const finished = await runProgram(program, [zookeeper.connectString, "/left", "20000", "close"]);
    assert.deepEqual(finished, { exitCode: 0, stdout: "made\nclosed\n", stderr: "" });
  });
});
