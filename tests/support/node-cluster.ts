import { formatRingState, parseRingState } from "../../src/cluster/metadata/codec.ts";
import type { RingState, Topology } from "../../src/cluster/metadata/model.ts";
import { ringPath } from "../../src/cluster/metadata/paths.ts";
import { DataNode } from "../../src/cluster/node/data-node.ts";
import { RouterNode, type RouterNodeOptions } from "../../src/cluster/node/router-node.ts";
import type { PeerAt } from "../../src/cluster/replication/peer.ts";
import { defaultReplicationSettings } from "../../src/cluster/replication/settings.ts";
import type { LogStore } from "../../src/cluster/storage/log-store.ts";
import type { Coordination } from "../../src/coordination/coordination.ts";
import { EmbeddedCoordination } from "../../src/coordination/embedded/service.ts";
import { addressOf } from "./address.ts";
import { openOn } from "./log-fixtures.ts";
import { SimulatedDisk } from "./simulated-disk.ts";
import { VirtualClock } from "./virtual-clock.ts";

const never = new AbortController().signal;

/** Routers and data nodes without a network: real nodes on a virtual clock, the embedded coordination, simulated disks. */
export class NodeCluster {
  readonly clock = new VirtualClock();
  /** What the nodes have told their operators. */
  readonly log: string[] = [];
  readonly service: EmbeddedCoordination;
  readonly #valueBytesMax: number;
  readonly #data = new Map<string, DataNode>();
  readonly #routers = new Map<string, RouterNode>();

  static async start({ valueBytesMax = 1000 } = {}): Promise<NodeCluster> {
    const clock = new VirtualClock();
    return new NodeCluster(clock, await EmbeddedCoordination.start({ clock }), valueBytesMax);
  }

  private constructor(clock: VirtualClock, service: EmbeddedCoordination, valueBytesMax: number) {
    this.clock = clock;
    this.service = service;
    this.#valueBytesMax = valueBytesMax;
  }

  async router(address: string, options: Pick<RouterNodeOptions, "newGroups"> = {}): Promise<RouterNode> {
    const node = new RouterNode({
      ...this.#common(),
      ...options,
      virtualNodes: 2,
      askReport: async (at) => {
        const { keys, logBytes, garbageBytes, moves } = (this.#data.get(at) ?? fail(at)).status();
        return { keys, bytes: logBytes - garbageBytes, moves };
      },
    });
    this.#routers.set(address, node);
    await this.clock.settled(node.join(addressOf(address)));
    return node;
  }

  /** `log`: a log that was there before. */
  async data(group: string, address: string, log?: LogStore): Promise<DataNode> {
    const store = log ?? (await openOn(new SimulatedDisk(), { clock: this.clock }));
    const { node, joined } = this.start(group, address, store);
    await this.clock.settled(joined);
    return node;
  }

  /** As `data`, without waiting until the node has joined. */
  start(group: string, address: string, store: LogStore): { node: DataNode; joined: Promise<void> } {
    const settings = defaultReplicationSettings;
    const valueBytesMax = this.#valueBytesMax;
    const node = new DataNode({ ...this.#common(), group, store, settings, valueBytesMax });
    this.#data.set(address, node);
    return { node, joined: node.join(addressOf(address)) };
  }

  /** A session of somebody else, to look at the znodes. */
  async session(): Promise<Coordination> {
    return await this.service.opener()();
  }

  /** Changes `/ring` as somebody else would. */
  async changeRing(next: (ring: RingState) => RingState): Promise<void> {
    const session = await this.clock.settled(this.session());
    const { data, stat } = await this.clock.settled(session.get(ringPath));
    const ring = formatRingState(next(parseRingState(ringPath, data)));
    await this.clock.settled(session.set(ringPath, ring, stat.version));
  }

  /** Waits until a node sees the cluster as wanted, if only for a moment. */
  async sees(
    node: DataNode | RouterNode,
    what: string,
    wanted: (topology: Topology) => boolean,
  ): Promise<Topology> {
    const seen = node.topology.waitUntil(wanted, never);
    return await this.clock.settled(seen).catch((error: unknown) => {
      throw new Error(`it was not seen that ${what}`, { cause: error });
    });
  }

  async put(node: DataNode, key: string, value: string): Promise<number> {
    await this.clock.until("the node serves", () => node.status().unavailable === undefined);
    return await this.clock.settled(
      node.calls.put({ key, value: new TextEncoder().encode(value), text: true }, never),
    );
  }

  #common() {
    return {
      openSession: this.service.opener(),
      clock: this.clock,
      access: "open",
      peerAt: this.#peerAt,
      whoAnswers: async () => "self" as const,
      log: (message: string) => this.log.push(message),
      onFailure: (error: unknown) => this.log.push(`failed: ${error}`),
    } as const;
  }

  readonly #peerAt: PeerAt = (address) => {
    const data = () => this.#data.get(address) ?? fail(address);
    const router = () => this.#routers.get(address) ?? fail(address);
    return {
      replicate: () => {
        const stream = data().peers.replicate();
        return { append: (request) => stream.append(request), close: () => stream.ended() };
      },
      countMisplaced: async (request) => data().peers.countMisplaced(request),
      transferLeadership: async (request, signal) => data().peers.transferLeadership(request, signal),
      position: async (request) => data().peers.position(request),
      reportSilence: async (report) => router().reportSilence(report),
      moveIn: async (request) => data().peers.moveIn(request),
      moveOut: async (request, signal) => data().peers.moveOut(request, signal),
    };
  };
}

function fail(address: string): never {
  throw new Error(`nobody of that kind listens on ${address}`);
}
