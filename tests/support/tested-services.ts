import assert from "node:assert/strict";
import { Services, type ServiceView, type ZooKeeper } from "../../src/zookeeper/index.ts";
import { until } from "./until.ts";
import { type ClientBed, inState, withClients } from "./zookeeper-clients.ts";

export const path = "/services";
export const web = { name: "web", address: "10.0.0.1", port: 8080 };

/** What is open, and has to be closed after a test: it would outlive every session. */
const open: (() => unknown)[] = [];

/** The services of a program. What it registers and watches is closed after the test. */
class TestedServices extends Services {
  override async register(...args: Parameters<Services["register"]>) {
    const registration = await super.register(...args);
    open.push(() => registration.unregister());
    return registration;
  }

  override async watch(...args: Parameters<Services["watch"]>) {
    const view = await super.watch(...args);
    open.push(() => view.close());
    return view;
  }
}

export async function withServers(
  connectString: string,
  body: (bed: ClientBed) => Promise<void>,
): Promise<void> {
  await withClients(connectString, async (bed) => {
    try {
      await body(bed);
    } finally {
      await Promise.all(open.splice(0).map((close) => close()));
    }
  });
}

export const servicesOf = (client: ZooKeeper) => new TestedServices(async () => client, path);

/** A program that opens a session when its last one is over, and the session that it has now. */
export function program({ connect }: ClientBed): { services: Services; session: () => Promise<ZooKeeper> } {
  let current: Promise<ZooKeeper> | undefined;
  const session = async () => {
    const client = await current;
    if (client === undefined || ["expired", "closed"].includes(client.state)) {
      current = connect({ sessionTimeoutMs: 1000 });
    }
    return current ?? assert.fail();
  };
  return { services: new TestedServices(session, path), session };
}

/** As ZooKeeper's own tests do it: by another connection with the session's password. */
export async function expire({ connect }: ClientBed, client: ZooKeeper): Promise<void> {
  const expired = inState(client, "expired");
  const thief = await connect({ resume: client.identity });
  await thief.close();
  await expired;
}

/** Resolves when the view shows these ids. */
export function shows(view: ServiceView, ...ids: string[]): Promise<unknown> {
  const shown = () => view.instances.map(({ id }) => id).join();
  return until(`the view shows ${ids}`, 20_000, () => shown() === ids.join());
}
