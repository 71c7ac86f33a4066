import { Services, type ServiceView } from "../../../../src/zookeeper/index.ts";
import { until } from "../../../support/until.ts";
import { pause } from "../faults.ts";
import { leavesNothing, type Round, type Workload } from "../workload.ts";

interface Opened {
  readonly registrations: Awaited<ReturnType<Services["register"]>>[];
  readonly views: ServiceView[];
}

const opened = new WeakMap<Round, Opened>();

/** Whatever becomes of sessions, at rest every view shows every instance, as it is now; and none that was unregistered. */
export const discoveryWorkload: Workload = {
  name: "discovery",
  async run(round) {
    const { clients, path, random, signal } = round;
    const all: Opened = { registrations: [], views: [] };
    opened.set(round, all);
    await Promise.all(
      clients.map(async (client, index) => {
        const services = new Services(() => client.session(), path);
        const id = `instance-${index}`;
        const service = { name: "service", id, address: "127.0.0.1", port: 1 + index };
        const registration = await client.perform(() => services.register(service, { signal }));
        all.registrations.push(registration);
        all.views.push(await client.perform(() => services.watch("service", { signal })));
        for (let metadata = 1; metadata <= 3; metadata++) {
          await pause(random() * 30);
          registration.update({ metadata });
        }
      }),
    );
  },
  async check(round) {
    const { registrations, views } = opened.get(round) ?? { registrations: [], views: [] };
    try {
      for (const view of views) {
        const shown = () => view.instances.map(({ id, metadata }) => `${id}: ${metadata}`).join(", ");
        await until("a view shows all instances", 30_000, () => {
          return shown() === round.clients.map((_, index) => `instance-${index}: 3`).join(", ");
        }).catch((error) => {
          throw new Error(`${error.message}: ${shown()}`);
        });
      }
    } finally {
      await Promise.all(registrations.map((registration) => registration.unregister()));
      for (const view of views) view.close();
    }
    await leavesNothing(round, `${round.path}/service`);
  },
};
