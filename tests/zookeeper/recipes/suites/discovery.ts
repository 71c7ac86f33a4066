import assert from "node:assert/strict";
import { once } from "node:events";
import { it } from "node:test";
import {
  type ServiceInstance,
  Services,
  type ZooKeeper,
  ZooKeeperError,
} from "../../../../src/zookeeper/index.ts";
import { loseAnswers } from "../../../support/lost-answers.ts";
import {
  expire,
  path,
  program,
  servicesOf,
  shows,
  web,
  withServers,
} from "../../../support/tested-services.ts";
import { until } from "../../../support/until.ts";
import { bytes, failure, inState, text } from "../../../support/zookeeper-clients.ts";
import { hasChildren } from "../queued.ts";

const timeout = 30_000;

/** The registry of services, and views of it. */
export function discoveryTests(connectString: string): void {
  it(
    "shows an instance from its registration until it is unregistered, or its session ends",
    { timeout },
    () =>
      withServers(connectString, async ({ connect }) => {
        const [client, other] = await Promise.all([connect(), connect()]);
        const view = await servicesOf(await connect()).watch("web");
        assert.deepEqual([view.instances, view.choose()], [[], undefined]);
        const metadata = { zone: "a" };
        const registration = await servicesOf(client).register({ ...web, id: "1", metadata });
        await servicesOf(other).register({ ...web, id: "2", address: "::1" });
        await shows(view, "1", "2");
        const { registeredMs, ...rest } = view.instances[0] ?? assert.fail();
        assert.ok(Math.abs(registeredMs - Date.now()) < 60_000);
        assert.deepEqual(rest, { ...web, id: "1", metadata, hostPort: "10.0.0.1:8080", isHealthy: true });
        assert.equal(view.instances[1]?.hostPort, "[::1]:8080");
        await registration.unregister();
        assert.equal(registration.ended.aborted, true);
        await shows(view, "2");
        await other.close();
        await shows(view);
        assert.deepEqual(await servicesOf(client).names(), ["web"]);
      }),
  );

  it("tells those who watch what an instance says of itself now", { timeout }, () =>
    withServers(connectString, async ({ connect }) => {
      const view = await servicesOf(await connect()).watch("web");
      const told: unknown[] = [];
      view.listen((instances) => told.push(instances[0]?.metadata));
      const registration = await servicesOf(await connect()).register({ ...web, metadata: 1 });
      await until("it is there", 20_000, () => told.at(-1) === 1);
      registration.update({ metadata: 2 });
      await until("it has changed", 20_000, () => told.at(-1) === 2);
    }),
  );

  it(
    "leaves out what its own check finds unhealthy, late or failing, until it is well again",
    { timeout },
    () =>
      withServers(connectString, async ({ connect }) => {
        const view = await servicesOf(await connect()).watch("web");
        let check: () => Promise<boolean> = async () => true;
        const health = { check: () => check(), intervalMs: 20 };
        await servicesOf(await connect()).register({ ...web, id: "1", health });
        const chosen = (id: string | undefined) =>
          until(`${id} is chosen`, 20_000, () => view.choose()?.id === id);
        await chosen("1");
        const hanging = Promise.withResolvers<boolean>();
        const hang = () => hanging.promise;
        for (const bad of [
          async () => false,
          async () => {
            throw new Error("the database does not answer");
          },
          hang,
        ]) {
          check = bad;
          await chosen(undefined);
          assert.equal(view.instances.length, 1, "it is still registered");
          check = async () => true;
          if (bad === hang) hanging.resolve(true);
          await chosen("1");
        }
      }),
  );

  it("is registered again after its session has expired, and stays in the views meanwhile", { timeout }, () =>
    withServers(connectString, async (bed) => {
      const [server, user] = [program(bed), program(bed)];
      const view = await user.services.watch("web");
      const registration = await server.services.register({ ...web, id: "1" });
      await shows(view, "1");
      const seen: (readonly ServiceInstance[])[] = [];
      view.listen((instances) => seen.push(instances));
      await expire(bed, await user.session());
      assert.equal(view.choose()?.id, "1", "between two sessions it goes on with what it knows");
      registration.update({ metadata: "in the next session" });
      await until("the next session is seen", 20_000, () => {
        return view.instances[0]?.metadata === "in the next session";
      });
      assert.ok(
        seen.every((instances) => instances.length === 1),
        "it is never gone",
      );
      await expire(bed, await server.session());
      const registry = await bed.connect();
      await until("it is registered by the next session", 20_000, async () => {
        const stat = await registry.exists(`${path}/web/1`);
        return stat?.ephemeralOwner === (await server.session()).sessionId;
      });
      await shows(view, "1");
      registration.update({ metadata: "seen" });
      await until("the view goes on", 20_000, () => view.instances[0]?.metadata === "seen");
      assert.equal(registration.ended.aborted, false);
      await registration.unregister();
      await shows(view);
    }),
  );

  it("goes on with what it knows while there is no connection", { timeout }, () =>
    withServers(connectString, async ({ connect, connectThroughProxy }) => {
      const { client, proxy } = await connectThroughProxy();
      const view = await servicesOf(client).watch("web");
      const registration = await servicesOf(await connect()).register({ ...web, id: "1" });
      await shows(view, "1");
      proxy.setMode("cut");
      await inState(client, "disconnected");
      await registration.unregister();
      await servicesOf(await connect()).register({ ...web, id: "2" });
      assert.equal(view.choose()?.id, "1");
      proxy.setMode("pass");
      await shows(view, "2");
    }),
  );

  it("takes the place of its earlier life, whose znode would go with that one's session", { timeout }, () =>
    withServers(connectString, async ({ connect }) => {
      const [before, now] = await Promise.all([connect(), connect()]);
      const first = await servicesOf(before).register({ ...web, id: "1", port: 1 });
      const ended = once(first.ended, "abort");
      const second = await servicesOf(now).register({ ...web, id: "1", port: 2 });
      await ended;
      assert.equal(first.ended.reason.code, "NODE_EXISTS");
      await first.unregister();
      await before.close();
      const stat = await now.exists(`${path}/web/1`);
      assert.equal(stat?.ephemeralOwner, now.sessionId);
      assert.equal(second.ended.aborted, false);
    }),
  );

  it("is registered on after a session of which it never learned that it was registered", { timeout }, () =>
    withServers(connectString, async ({ connect, connectThroughProxy }) => {
      const [first, last, registry] = await Promise.all([connect(), connect(), connect()]);
      const { client: given, proxy } = await connectThroughProxy();
      const sessions = [first, given, last];
      const source = async () => sessions.find(({ state }) => state !== "closed") ?? assert.fail();
      const registration = await new Services(source, path).register({ ...web, id: "1" });
      const isOf = ({ sessionId }: ZooKeeper) =>
        until("it is of that session", 20_000, async () => {
          return (await registry.exists(`${path}/web/1`))?.ephemeralOwner === sessionId;
        });
      const create = given.create.bind(given);
      const losingAnswer = (...args: Parameters<typeof create>) => {
        proxy.setMode("mute");
        return create(...args);
      };
      Object.defineProperty(given, "create", { value: losingAnswer });
      await first.close();
      await isOf(given);
      // Without a connection to say goodbye on: its znode stays for a while.
      proxy.setMode("cut");
      await given.close();
      await isOf(last);
      assert.equal(registration.ended.aborted, false);
      await registration.unregister();
    }),
  );

  it("comes back when somebody deletes its znode", { timeout }, () =>
    withServers(connectString, async ({ connect }) => {
      const [client, operator] = await Promise.all([connect(), connect()]);
      await servicesOf(client).register({ ...web, id: "1" });
      await operator.deleteAll(path);
      await until("it is back", 20_000, () => operator.exists(`${path}/web/1`));
    }),
  );

  for (const what of ["answers", "requests"] as const) {
    it(`is registered, changed and unregistered once when ${what} are lost`, { timeout }, () =>
      withServers(connectString, async ({ connect }) => {
        const client = await connect();
        const lost = (["create", "set", "delete"] as const).map((write) => loseAnswers(client, write, what));
        const view = await servicesOf(client).watch("web");
        const registration = await servicesOf(client).register({ ...web, id: "1" });
        registration.update({ metadata: "new" });
        await until("it has changed", 20_000, () => view.instances[0]?.metadata === "new");
        await registration.unregister();
        assert.deepEqual((await client.children(`${path}/web`)).children, []);
        assert.deepEqual(
          lost.map((count) => count()),
          [1, 1, 1],
        );
      }),
    );
  }

  it("leaves nothing registered that its next server has still to hear of", { timeout }, () =>
    withServers(connectString, async ({ connect }) => {
      const [client, registry] = await Promise.all([connect(), connect()]);
      const giveUp = new AbortController();
      let lags = false;
      const { create, exists, sync } = client;
      const losing = async (...args: Parameters<typeof create>) => {
        await create.apply(client, args);
        lags = true;
        giveUp.abort();
        throw new ZooKeeperError("CONNECTION_LOSS", "create: lost in a test", { maybeApplied: true });
      };
      const lagging = async (...args: Parameters<typeof exists>) =>
        lags ? undefined : exists.apply(client, args);
      const catchUp = async (...args: Parameters<typeof sync>) => {
        lags = false;
        await sync.apply(client, args);
      };
      Object.defineProperties(client, {
        create: { value: losing },
        exists: { value: lagging },
        sync: { value: catchUp },
      });
      const registering = servicesOf(client).register({ ...web, id: "1" }, { signal: giveUp.signal });
      await failure(registering, "ABORTED");
      await hasChildren(registry, `${path}/web`, 0);
    }),
  );

  it("leaves nothing registered when its caller gives up", { timeout }, () =>
    withServers(connectString, async ({ connect }) => {
      const client = await connect();
      await client.createAll(`${path}/web`);
      for (let turns = 0; turns < 20; turns++) {
        const giveUp = new AbortController();
        const registering = servicesOf(client).register(
          { ...web, id: `${turns}` },
          { signal: giveUp.signal },
        );
        for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
        giveUp.abort();
        const registration = await registering.catch((error) => void assert.equal(error.code, "ABORTED"));
        await registration?.unregister();
      }
      await until("nothing is left", 20_000, async () => {
        return (await client.children(`${path}/web`)).children.length === 0;
      });
    }),
  );

  it("refuses a change that cannot be written, and makes the next one", { timeout }, () =>
    withServers(connectString, async ({ connect }) => {
      const view = await servicesOf(await connect()).watch("web");
      const registration = await servicesOf(await connect()).register({ ...web, id: "1", metadata: 1 });
      await until("it is chosen", 20_000, () => view.choose()?.id === "1");
      const refused = (metadata: unknown, message: RegExp) =>
        assert.throws(() => registration.update({ metadata }), { code: "BAD_ARGUMENTS", message });
      refused({ big: 1n }, /the instance cannot be written as JSON/);
      refused("x".repeat(1_000_000), /the instance has 1000\d{3} bytes as JSON; allowed: 1000000 at most/);
      registration.update({ isHealthy: false });
      await until("it is not chosen", 20_000, () => view.choose() === undefined);
      assert.equal(view.instances[0]?.metadata, 1);
    }),
  );

  it("says why it cannot register or watch", { timeout }, () =>
    withServers(connectString, async ({ connect }) => {
      const client = await connect();
      const services = servicesOf(client);
      for (const [service, message] of [
        [{ ...web, port: 0 }, /port is 0; it must be a whole number from 1 to 65535/],
        [{ ...web, address: "" }, /address is ""; it must be a host name/],
        [{ ...web, name: "a/b" }, /"a\/b"; allowed: the name of a znode/],
        [{ ...web, metadata: { big: 1n } }, /the instance cannot be written as JSON/],
        [
          { ...web, health: { check: async () => true, intervalMs: 1 } },
          /intervalMs is 1; it must be a number from 10 to/,
        ],
      ] as const) {
        assert.match((await failure(services.register(service), "BAD_ARGUMENTS")).message, message);
      }
      await client.close();
      await failure(services.register(web), "CLOSED");
      await failure(services.watch("web"), "CLOSED");
    }),
  );

  it("reads what Curator writes, and writes what Curator reads", { timeout }, () =>
    withServers(connectString, async ({ connect }) => {
      const client = await connect();
      // As curator-x-discovery 5.4.0 writes it, which leaves `enabled` out unless it is told otherwise.
      const theirs =
        '{"name":"web","id":"theirs","address":"10.0.0.2","port":8081,"sslPort":null,"payload":{"@class":' +
        '"java.util.LinkedHashMap","zone":"b"},"registrationTimeUTC":1700000000000,"serviceType":"DYNAMIC",' +
        '"uriSpec":null}';
      await client.createAll(`${path}/web`);
      await client.create(`${path}/web/theirs`, bytes(theirs));
      await client.create(`${path}/web/no-instance`, bytes("[]"));
      const view = await servicesOf(client).watch("web");
      assert.deepEqual(view.instances, [
        {
          ...{ name: "web", id: "theirs", address: "10.0.0.2", port: 8081, hostPort: "10.0.0.2:8081" },
          metadata: { "@class": "java.util.LinkedHashMap", zone: "b" },
          ...{ isHealthy: true, registeredMs: 1_700_000_000_000 },
        },
      ]);
      await servicesOf(client).register({ ...web, id: "ours" });
      const { registrationTimeUTC, ...ours } = JSON.parse(text((await client.get(`${path}/web/ours`)).data));
      assert.equal(typeof registrationTimeUTC, "number");
      assert.deepEqual(ours, {
        ...{ name: "web", id: "ours", address: "10.0.0.1", port: 8080, sslPort: null, payload: null },
        ...{ serviceType: "DYNAMIC", uriSpec: null, enabled: true },
      });
    }),
  );
}
