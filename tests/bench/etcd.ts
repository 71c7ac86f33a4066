import * as http2 from "node:http2";
import type { Contestant } from "./contestant.ts";
import { startEtcdCluster } from "./peers/etcd.ts";
import { callGrpc } from "./tools/grpc.ts";
import { etcdCalls } from "./tools/grpc-calls.ts";

/** Three etcd servers on 127.0.0.1 with default settings. */
export async function startEtcd(): Promise<Contestant> {
  const cluster = await startEtcdCluster();
  const sessions = new Map<string, http2.ClientHttp2Session>();
  let next = 0;
  const sessionTo = (address: string) => {
    const known = sessions.get(address);
    if (known !== undefined && !known.closed && !known.destroyed) return known;
    const session = http2.connect(`http://${address}`);
    session.on("error", () => {});
    sessions.set(address, session);
    return session;
  };
  return {
    name: "etcd",
    // As over a router, calls go to members that are up.
    async put(key, value, timeoutMs) {
      const up = cluster.members.filter(({ server }) => server.isRunning);
      const member = up[next++ % up.length];
      if (member === undefined) throw new Error("no member of etcd runs");
      await callGrpc(sessionTo(member.address), etcdCalls.put([key, Buffer.from(value)]), timeoutMs);
    },
    async killLeader() {
      const leader = await cluster.leader();
      if (leader === undefined) throw new Error("no etcd member leads");
      const killedMs = performance.now();
      await leader.server.kill();
      sessions.get(leader.address)?.destroy();
      return killedMs;
    },
    async restore() {
      for (const { server } of cluster.members) if (!server.isRunning) server.launch();
      await cluster.whole();
    },
    async close() {
      for (const session of sessions.values()) session.destroy();
      await cluster.close();
    },
  };
}
