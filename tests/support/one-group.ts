import assert from "node:assert/strict";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import { NodeRole } from "../../gen/kvlab/v1/topology_pb.ts";
import type { KvError } from "../../src/client/errors.ts";
import { KvClient } from "../../src/client/kv-client.ts";
import { createTransports } from "../../src/client/transport/http2.ts";
import { parseGroupLogs } from "../../src/cluster/metadata/codec.ts";
import { groupLogsPath } from "../../src/cluster/metadata/paths.ts";
import { openWire } from "../../src/coordination/wire/open-wire.ts";
import { freePorts } from "./free-ports.ts";
import { runProgram } from "./run-program.ts";
import { ServerProcess } from "./server-process.ts";
import { until } from "./until.ts";
import { withSession } from "./with-session.ts";

/** A router and three nodes of one group, in processes of their own, of which a test starts those that it wants. */
export class OneGroup {
  readonly router: ServerProcess;
  /** By place, from 1; the number that a node gets in its group is another matter. */
  readonly #nodes: readonly ServerProcess[];
  readonly #folder: string;
  readonly #zooaddr: string;
  readonly #ports: readonly number[];
  readonly client: KvClient;
  readonly #transports = createTransports();

  /** `name` tells its files and znodes from those of other clusters in this folder and ZooKeeper. */
  static async make(folder: string, zookeeper: string, name: string): Promise<OneGroup> {
    const [router = 0, ...ports] = await freePorts(4);
    return new OneGroup(join(folder, name), `${zookeeper}/${name}`, [router, ...ports]);
  }

  /** The log of each node is `folder`-number.txt; the router listens at the first port. */
  private constructor(folder: string, zooaddr: string, ports: readonly number[]) {
    this.#folder = folder;
    this.#zooaddr = zooaddr;
    this.#ports = ports;
    const [router = assert.fail(), ...nodes] = this.again(zooaddr);
    this.router = router;
    this.#nodes = nodes;
    this.client = new KvClient({ routers: [`http://127.0.0.1:${ports[0]}`] });
  }

  /** Router and nodes at the same addresses and with the same files, on another ZooKeeper. */
  again(zooaddr: string): ServerProcess[] {
    const env = { zooaddr, sessiontimeoutms: "2000" };
    return this.#ports.map((port, place) => {
      if (place === 0) return new ServerProcess("the router", "router", port, env);
      const files = { dbfile: this.log(place), rbfile: `${this.log(place)}.rollback` };
      return new ServerProcess(`node ${place}`, "data", port, { ...env, name: "zdata1", ...files });
    });
  }

  node(place: number): ServerProcess {
    return this.#nodes[place - 1] ?? assert.fail();
  }

  log(place: number): string {
    return `${this.#folder}-${place}.txt`;
  }

  /** Starts the router and nodes 1 and 2, and waits until both are in sync. */
  async start(): Promise<void> {
    for (const server of [this.node(1), this.node(2), this.router]) await server.start();
    await this.untilInSync([1, 2]);
  }

  /** Puts so many keys, one after another; their values tell `round`. */
  async put(count: number, round = 1): Promise<void> {
    for (let index = 0; index < count; index++) await this.client.put(`key-${index}`, `${round}`);
  }

  /** Keys of `count` that are not as round `round` put them. */
  async lost(count: number, round = 1): Promise<string[]> {
    const lost: string[] = [];
    for (let index = 0; index < count; index++) {
      const found = await this.client.get(`key-${index}`);
      if (found?.text() !== `${round}`) lost.push(`key-${index}: ${found?.text()}`);
    }
    return lost;
  }

  /** Why a key cannot be read now. */
  async unavailable(): Promise<string> {
    const error = await this.client.get("key-0", { deadlineMs: 3000 }).then(
      () => assert.fail("the group serves"),
      (reason: KvError) => reason,
    );
    assert.match(error.code, /^(unavailable|deadline)$/);
    return error.message;
  }

  /** Waits until the nodes with these numbers, and no others, are in sync, and one of them is primary. */
  async untilInSync(numbers: readonly number[]): Promise<void> {
    const { getTopology } = createClient(RouterService, this.#transports.transportTo(this.router.address));
    await until(`nodes ${numbers} of ${this.router.name} are in sync`, 30_000, async () => {
      const nodes = (await getTopology({})).topology?.groups[0]?.nodes ?? [];
      const inSync = nodes.filter((node) => node.inSync).map((node) => node.number);
      return `${inSync}` === `${numbers}` && nodes.some((node) => node.role === NodeRole.PRIMARY);
    });
  }

  /** Writes until everybody knows that the group has acknowledged the record `seq`. */
  async untilFloor(seq: number): Promise<void> {
    await withSession(openWire({ connectString: this.#zooaddr, sessionTimeoutMs: 4000 }), async (session) => {
      await until(`record ${seq} is known to be acknowledged`, 30_000, async () => {
        await this.client.put("floor", "");
        const { data } = await session.get(groupLogsPath("zdata1"));
        return parseGroupLogs("", data).floor.seq >= seq;
      });
    });
  }

  kvlab(...args: string[]) {
    const cli = new URL("../../src/cli.ts", import.meta.url);
    return runProgram(cli, [...args, "--router", `http://${this.router.address}`]);
  }

  async close(): Promise<void> {
    this.client.close();
    this.#transports.close();
    await Promise.all([this.router, ...this.#nodes].map((server) => server.kill()));
  }
}
