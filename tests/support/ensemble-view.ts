import { startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";
import type { ZooKeeper, ZooKeeperMember } from "./zookeeper.ts";

/** An ensemble as one client sees it: each member behind a proxy of its own. */
export interface EnsembleView {
  readonly ensemble: ZooKeeper;
  readonly connectString: string;
  /** Lets the client reach one member only, or all. */
  admit(only?: ZooKeeperMember): void;
  /** In front of the member that the client is attached to. */
  proxy(): TcpProxy;
  /** To which the client is attached. */
  member(): ZooKeeperMember;
  close(): Promise<void>;
}

export async function viewOf(ensemble: ZooKeeper): Promise<EnsembleView> {
  const { members } = ensemble;
  const proxies = await Promise.all(members.map(({ address }) => startTcpProxy(address)));
  const attached = <T>(of: readonly T[]): T => {
    const found = of[proxies.findIndex(({ connections }) => connections > 0)];
    if (found === undefined) throw new Error("the client is attached to no member");
    return found;
  };
  return {
    ensemble,
    connectString: proxies.map(({ address }) => address).join(","),
    admit(only) {
      for (const [index, proxy] of proxies.entries()) {
        proxy.setMode(only === undefined || only === members[index] ? "pass" : "cut");
      }
    },
    proxy: () => attached(proxies),
    member: () => attached(members),
    async close() {
      await Promise.all(proxies.map((proxy) => proxy.close()));
    },
  };
}
