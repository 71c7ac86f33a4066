import assert from "node:assert/strict";
import { it } from "node:test";
import { leastRecentlyFailed, randomChoice } from "../../../../src/zookeeper/index.ts";
import { seededRandom } from "../../../support/seeded-random.ts";
import { servicesOf, shows, web, withServers } from "../../../support/tested-services.ts";

const timeout = 30_000;

/** How one of the instances of a service is chosen. */
export function serviceChoiceTests(connectString: string): void {
  it("chooses the instances one after another, also while they come and go", { timeout }, () =>
    withServers(connectString, async ({ connect }) => {
      const services = servicesOf(await connect());
      const view = await services.watch("web");
      const registrations = new Map<string, { unregister(): Promise<void> }>();
      for (const id of ["a", "b", "c"]) registrations.set(id, await services.register({ ...web, id }));
      await shows(view, "a", "b", "c");
      const chosen = Array.from({ length: 4 }, () => view.choose()?.id);
      assert.deepEqual(chosen, ["a", "b", "c", "a"]);
      await registrations.get("b")?.unregister();
      await shows(view, "a", "c");
      assert.deepEqual([view.choose()?.id, view.choose()?.id], ["c", "a"]);
    }),
  );

  it("chooses at random, or those that have not failed lately", { timeout }, () =>
    withServers(connectString, async ({ connect }) => {
      const services = servicesOf(await connect());
      for (const id of ["a", "b", "c"]) await services.register({ ...web, id });
      const random = await services.watch("web", { strategy: randomChoice(seededRandom(1)) });
      assert.deepEqual(
        new Set(Array.from({ length: 50 }, () => random.choose()?.id)),
        new Set(["a", "b", "c"]),
      );
      const careful = await services.watch("web", { strategy: leastRecentlyFailed() });
      const fail = () => {
        const instance = careful.choose() ?? assert.fail();
        careful.failed(instance);
        return instance.id;
      };
      assert.deepEqual([fail(), fail()], ["a", "b"]);
      assert.deepEqual([careful.choose()?.id, careful.choose()?.id], ["c", "c"]);
      assert.deepEqual([fail(), fail(), fail()], ["c", "a", "b"], "the longest time ago");
    }),
  );
}
