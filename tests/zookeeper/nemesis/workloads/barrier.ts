import assert from "node:assert/strict";
import { liftBarrier, passBarrier, raiseBarrier } from "../../../../src/zookeeper/index.ts";
import { pause } from "../faults.ts";
import type { Workload } from "../workload.ts";

/** Nobody passes before it is lifted, and then all do. */
export const barrierWorkload: Workload = {
  name: "barrier",
  async run({ path, clients, observer, random, signal }) {
    const [lifter, ...others] = clients;
    await raiseBarrier(observer, path, { signal });
    let isLifted = false;
    const passing = others.map((client) =>
      client.perform(async (session) => {
        await passBarrier(session, path, { signal });
        assert.ok(isLifted, "it was passed before it was lifted");
      }),
    );
    await pause(random() * 60);
    isLifted = true;
    await lifter?.perform((session) => liftBarrier(session, path, { signal }));
    await Promise.all(passing);
  },
  async check({ observer, path }) {
    await observer.sync(path);
    assert.equal(await observer.exists(path), undefined, "it is up again");
  },
};
