import assert from "node:assert/strict";
import { test } from "node:test";
import { znodeRegister } from "../../../src/cluster/metadata/cas-register.ts";
import { encodeText } from "../../../src/cluster/metadata/codec.ts";
import { SessionKeeper } from "../../../src/cluster/metadata/session-keeper.ts";
import type { Coordination } from "../../../src/coordination/coordination.ts";
import { EmbeddedCoordination } from "../../../src/coordination/embedded/service.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const path = "/value";

/** A session with a member that is behind: it goes on showing the value of the first read until it is told to sync. */
function behind(session: Coordination): Coordination {
  let shown: ReturnType<Coordination["get"]> | undefined;
  return new Proxy(session, {
    get(target, name) {
      if (name === "get") {
        return (asked: string) => {
          shown ??= target.get(asked);
          return shown;
        };
      }
      if (name === "sync") {
        return async (asked: string) => {
          await target.sync(asked);
          shown = undefined;
        };
      }
      const found = Reflect.get(target, name, target);
      return typeof found === "function" ? found.bind(target) : found;
    },
  });
}

test("a read shows every change that was made before it, also where the member that is asked lags", async () => {
  const clock = new VirtualClock();
  const service = await EmbeddedCoordination.start({ clock });
  const open = service.opener();
  const other = await open();
  await other.create(path, encodeText("1"), "persistent");
  const sessions = new SessionKeeper({
    open: async (options) => behind(await open(options)),
    clock,
    onDiagnostic: () => {},
  });
  await clock.until("there is a session", () => sessions.current !== undefined);
  const register = znodeRegister({
    session: () => sessions.current,
    path,
    access: "open",
    parse: (_, data) => new TextDecoder().decode(data),
    format: encodeText,
  });
  assert.equal((await register.read())?.value, "1");
  await other.set(path, encodeText("2"), 0);
  assert.deepEqual(await register.read(), { value: "2", version: 1 });
});
