import assert from "node:assert/strict";
import process from "node:process";
import {
  type WatchEvent,
  type WatchListener,
  ZooKeeper,
  ZooKeeperError,
  type ZooKeeperErrorCode,
  type ZooKeeperOptions,
} from "../../src/zookeeper/index.ts";
import { startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";

/** Long enough that no session ends because the machine is busy. */
const SESSION_TIMEOUT_MS = 20_000;

/** What a test gets: clients with a root of their own, which no other test touches, and proxies. They are closed after it. */
export interface ClientBed {
  /** The root of the clients, as a path on the server. */
  readonly root: string;
  /** Connects a client, to all servers or to those that the options name. */
  connect(options?: Partial<ZooKeeperOptions>): Promise<ZooKeeper>;
  /** Connects a client through a proxy of its own. */
  connectThroughProxy(options?: Partial<ZooKeeperOptions>): Promise<{ client: ZooKeeper; proxy: TcpProxy }>;
}

let beds = 0;

/** Runs `body` with clients of the servers at `connectString`. */
export async function withClients(
  connectString: string,
  body: (bed: ClientBed) => Promise<void>,
): Promise<void> {
  const root = `/bed-${process.pid}-${++beds}`;
  const clients: ZooKeeper[] = [];
  const proxies: TcpProxy[] = [];
  const connect = async (options: Partial<ZooKeeperOptions> = {}) => {
    const { servers = connectString } = options;
    const client = await ZooKeeper.connect({
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      ...options,
      servers: servers + root,
    });
    clients.push(client);
    return client;
  };
  try {
    await (await connect()).createAll("/");
    await body({
      root,
      connect,
      async connectThroughProxy(options) {
        const [target = ""] = connectString.split(",");
        const proxy = await startTcpProxy(target);
        proxies.push(proxy);
        return { client: await connect({ ...options, servers: proxy.address }), proxy };
      },
    });
  } finally {
    // So that no client has to look for a way to say goodbye.
    for (const proxy of proxies) proxy.setMode("pass");
    await Promise.all(clients.map((client) => client.close()));
    await Promise.all(proxies.map((proxy) => proxy.close()));
  }
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (data: Uint8Array): string => new TextDecoder().decode(data);

/** Resolves with the error of a call that fails with one of these codes. */
export async function failure(
  call: Promise<unknown>,
  ...codes: ZooKeeperErrorCode[]
): Promise<ZooKeeperError> {
  const error = await call.then(
    () => assert.fail("the call has not failed"),
    (reason) => reason,
  );
  assert.ok(ZooKeeperError.is(error), `${error} is no ZooKeeperError`);
  assert.ok(codes.includes(error.code), `${error.code} (${error.message}), not ${codes.join(" or ")}`);
  return error;
}

/** Resolves when the client is in this state. */
export function inState(client: ZooKeeper, state: ZooKeeper["state"]): Promise<void> {
  if (client.state === state) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = client.onState((now) => {
      if (now !== state) return;
      stop();
      resolve();
    });
  });
}

/** A listener of watches that keeps what it is told, each as `type path`. */
export interface Recorder {
  readonly listener: WatchListener;
  readonly told: string[];
  /** Resolves when it has been told this. */
  saw(event: string): Promise<void>;
}

export function recorder(): Recorder {
  const told: string[] = [];
  const waiting = new Map<string, PromiseWithResolvers<void>>();
  return {
    told,
    listener({ type, path }: WatchEvent) {
      const event = `${type} ${path}`;
      told.push(event);
      waiting.get(event)?.resolve();
    },
    async saw(event) {
      if (told.includes(event)) return;
      const one = waiting.get(event) ?? Promise.withResolvers<void>();
      waiting.set(event, one);
      await one.promise;
    },
  };
}

/** Resolves when the client has seen all that was written before: watches are told before the answer to a later read. */
export async function caughtUp(client: ZooKeeper): Promise<void> {
  await client.sync();
  await client.exists("/");
}
