// apart: it starts ZooKeeper.
import assert from "node:assert/strict";
import process from "node:process";
import { after, describe, it } from "node:test";
import { registerAgent, writeReport } from "../../src/agent/registration.ts";
import type { Task } from "../../src/cluster/metadata/retry-on-connection-loss.ts";
import { systemClock } from "../../src/common/clock.ts";
import type { Coordination } from "../../src/coordination/coordination.ts";
import { EmbeddedCoordination } from "../../src/coordination/embedded/service.ts";
import { openWire } from "../../src/coordination/wire/open-wire.ts";
import { bytes, gone, reached, type ServiceUnderTest, text } from "../support/conformance/service.ts";
import { interceptedSession } from "../support/intercepted-session.ts";
import { networkedService } from "../support/networked-coordination.ts";
import { remoteService } from "../support/remote-service.ts";

const { bun, deno } = process.versions;

const drivers: [string, () => Promise<ServiceUnderTest>][] = [
  ["embedded", embedded],
  ["wire", () => networkedService(openWire)],
];
if (bun === undefined && deno === undefined) drivers.push(["native", native]);

async function embedded(): Promise<ServiceUnderTest> {
  const service = await EmbeddedCoordination.start({ clock: systemClock });
  return {
    open: () => service.opener()(),
    cut: async (session) => service.disconnect(session),
    mend: async (session) => service.reconnect(session),
    expire: async (session) => service.expire(session),
    stop: () => service.close(),
  };
}

async function native(): Promise<ServiceUnderTest> {
  const { openNative } = await import("../../src/coordination/native/open.ts");
  return await remoteService(openNative);
}

function taskOf(session: Coordination): Task {
  const { signal } = new AbortController();
  return { session, clock: systemClock, access: "open", signal, onDiagnostic: assert.fail };
}

for (const [driver, start] of drivers) {
  describe(`an agent's znode, ${driver} driver`, { timeout: 120_000 }, () => {
    let starting: Promise<ServiceUnderTest> | undefined;
    const service = () => {
      starting ??= start();
      return starting;
    };
    after(async () => (await starting)?.stop());

    const id = "0123456789ab";

    it("is found again, and has the new data", async () => {
      const { open } = await service();
      const session = await open();
      const path = await registerAgent(taskOf(session), id, bytes("1"));
      assert.match(path, /^\/zk-agent\/agent-0123456789ab-\d{10}$/);
      assert.equal(await registerAgent(taskOf(session), id, bytes("2")), path);
      const { data, stat } = await session.get(path);
      assert.equal(text(data), "2");
      assert.ok(stat.ephemeral);
      await session.close();
    });

    // Of the embedded service no operation is under way when the connection breaks.
    if (driver !== "embedded") {
      it("is made once when the connection breaks before the answer to its creation has come", async () => {
        const { open, mute, cut, mend } = await service();
        assert.ok(mute !== undefined);
        const observer = await open();
        const session = await open();
        const made = Promise.withResolvers<void>();
        await observer.children("/zk-agent", () => made.resolve());
        const deaf = interceptedSession(session, async (call, perform) => {
          if (call.name === "create") await mute(session);
          return await perform();
        });
        const registering = registerAgent(taskOf(deaf), id, bytes("1"));
        await made.promise;
        await cut(session);
        await mend(session);
        const path = await registering;
        const names = await observer.children("/zk-agent");
        assert.deepEqual(
          names.filter((name) => name.startsWith(`agent-${id}-`)),
          [path.slice("/zk-agent/".length)],
        );
        await Promise.all([observer.close(), session.close()]);
      });
    }

    it("goes with its session, is then written no more, and is made anew under the next one", async () => {
      const { open, expire } = await service();
      const session = await open();
      const path = await registerAgent(taskOf(session), id, bytes("1"));
      await expire(session);
      await reached(session, "expired");
      const next = await open();
      await gone(next, path);
      assert.equal(await writeReport(taskOf(next), path, bytes("2")), false);
      assert.notEqual(await registerAgent(taskOf(next), id, bytes("3")), path);
      await next.close();
    });
  });
}
