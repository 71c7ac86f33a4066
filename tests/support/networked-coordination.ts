import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Coordination, OpenSession } from "../../src/coordination/coordination.ts";
import type { ServiceUnderTest } from "./conformance/service.ts";
import { startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";
import { startZooKeeper } from "./zookeeper.ts";

/** How the drivers that speak to ZooKeeper are opened. */
export type NetworkedDriver = (settings: {
  connectString: string;
  sessionTimeoutMs: number;
  auth?: string;
}) => OpenSession;

/** Long enough that no session ends because the machine is busy. */
const SESSION_TIMEOUT_MS = 20_000;

/** A ZooKeeper of its own for the suite, each session behind a proxy of its own. */
export async function networkedService(driver: NetworkedDriver): Promise<ServiceUnderTest> {
  const zookeeper = await startZooKeeper();
  const [member] = zookeeper.members;
  if (member === undefined) throw new Error("a ZooKeeper has a member");
  const proxies = new Map<Coordination, TcpProxy>();
  const proxyOf = (session: Coordination) => {
    const proxy = proxies.get(session);
    if (proxy === undefined) throw new Error("this session was not opened here");
    return proxy;
  };
  return {
    async open({ chroot = "", auth, signal } = {}) {
      const proxy = await startTcpProxy(member.address);
      const opening = driver({
        connectString: proxy.address + chroot,
        sessionTimeoutMs: SESSION_TIMEOUT_MS,
        ...(auth !== undefined && { auth }),
      });
      try {
        const session = await opening(signal && { signal });
        proxies.set(session, proxy);
        return session;
      } catch (error) {
        await proxy.close();
        throw error;
      }
    },
    cut: async (session) => proxyOf(session).setMode("cut"),
    mend: async (session) => proxyOf(session).setMode("pass"),
    mute: async (session) => proxyOf(session).setMode("mute"),
    async expire(session) {
      const proxy = proxyOf(session);
      proxy.setMode("cut");
      await endSession(member.port, proxy.greeting);
      proxy.setMode("pass");
    },
    async restart() {
      await member.stop();
      await member.start();
    },
    async stop() {
      await Promise.all([...proxies.keys()].map((session) => session.close()));
      await Promise.all([...proxies.values()].map((proxy) => proxy.close()));
      await zookeeper.close();
    },
  };
}

/**
 * Ends somebody's session without waiting for its time-out: takes it over with the id and password of the server's
 * ConnectResponse, and closes it.
 */
async function endSession(port: number, connectResponse: Buffer): Promise<void> {
  const [idStart, idEnd, passwordLengthEnd] = [12, 20, 24];
  const id = connectResponse.subarray(idStart, idEnd);
  const password = connectResponse.subarray(passwordLengthEnd, passwordLengthEnd + 16);
  const connectRequest = Buffer.concat([
    Buffer.from([0, 0, 0, 45]),
    Buffer.alloc(12),
    Buffer.from([0, 0, 0x10, 0]),
    id,
    Buffer.from([0, 0, 0, 16]),
    password,
    Buffer.from([0]),
  ]);
  const closeSession = Buffer.from([0, 0, 0, 8, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xf5]);
  const socket: Socket = connect({ host: "127.0.0.1", port });
  const closed = once(socket, "close");
  socket.on("error", () => {});
  socket.on("data", () => {});
  socket.write(connectRequest);
  socket.write(closeSession);
  // ZooKeeper closes the connection once the session is gone.
  await closed;
}
