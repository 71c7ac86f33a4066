import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type ConnectError, createRouterTransport, type Transport } from "@connectrpc/connect";
import {
  DataService,
  type KeyValue,
  KeyValueSchema,
  type ScanRequest,
  type ScanResponseSchema,
  type WatchRequest,
  type WatchResponseSchema,
} from "../../gen/kvlab/v1/data_pb.ts";
import { ServerLink } from "../../src/client/servers.ts";
import type { GroupView, RemovedGroup } from "../../src/cluster/metadata/model.ts";
import { compareKeys } from "../../src/common/key-order.ts";
import { addressOf } from "./address.ts";
import { ToyTopology } from "./toy-topology.ts";
import type { VirtualClock } from "./virtual-clock.ts";

type Stream<T> = AsyncGenerator<T, void, void>;
export type ScanAnswer = MessageInitShape<typeof ScanResponseSchema>;
export type WatchAnswer = MessageInitShape<typeof WatchResponseSchema>;

/** What the primary of a group does. */
export interface ToyPrimary {
  scan?(request: ScanRequest): Stream<ScanAnswer>;
  watch?(request: WatchRequest, signal: AbortSignal): Stream<WatchAnswer>;
}

/** The topology of groups of one node each, as a test tells it, and the primaries of these groups. */
export class ToyGroups extends ToyTopology {
  readonly primaries: Record<string, ToyPrimary> = {};
  /** Requests, in their order. */
  readonly scans: ScanRequest[] = [];
  readonly watches: WatchRequest[] = [];
  readonly #clock: VirtualClock;
  #removed: readonly RemovedGroup[] = [];

  constructor(clock: VirtualClock) {
    super();
    this.#clock = clock;
  }

  /** `down`: groups of the ring of which no node is there. */
  ring(version: number, groups: readonly string[], down: readonly string[] = [], cluster = "c1"): void {
    const member = { number: 1, incarnation: "1" };
    const viewOf = (name: string): [string, GroupView] => {
      const nodes = down.includes(name) ? [] : [{ ...member, address: addressOf(`${name}:1`) }];
      return [
        name,
        { name, nodes, state: { version: 1, value: { epoch: 1, primary: member, inSync: [member] } } },
      ];
    };
    this.tell({
      cluster,
      ring: { version, value: { version, virtualNodes: 2, groups, written: true, removed: this.#removed } },
      groups: new Map(groups.map(viewOf)),
      routers: [],
      staleSinceMs: undefined,
    });
  }

  /** The ring without a group that was removed, whose history is of these epochs. */
  remove(version: number, group: string, groups: readonly string[], [firstEpoch, lastEpoch] = [0, 1]): void {
    delete this.primaries[group];
    this.#removed = [{ group, ringVersion: version, firstEpoch, lastEpoch }];
    this.ring(version, groups);
  }

  readonly serverAt = (address: string): ServerLink => {
    const connections = { transportTo: (to: string) => this.#transportTo(to), close() {} };
    return new ServerLink(address, {
      connections,
      limits: { operationsMax: 1, bytesMax: 1 },
      clock: this.#clock,
    });
  };

  #transportTo(address: string): Transport {
    const [name = ""] = address.split(":");
    return createRouterTransport(({ service }) =>
      service(DataService, {
        scan: (request) => {
          this.scans.push(request);
          return this.primaries[name]?.scan?.(request) ?? none();
        },
        watch: (request, { signal }) => {
          this.watches.push(request);
          return this.primaries[name]?.watch?.(request, signal) ?? none();
        },
      }),
    );
  }
}

async function* none(): Stream<never> {}

/**
 * A primary whose scans have what `keys` says at their beginning, by key with its revision, in answers of two keys. The
 * stream breaks with `failure` before the answer of that number.
 */
export function scanned(
  keys: () => Readonly<Record<string, number>>,
  ringVersion: () => number,
  breaks: { at: number; failure: ConnectError }[] = [],
): ToyPrimary {
  return {
    async *scan({ after, reverse, limit }) {
      const sign = reverse ? -1 : 1;
      const isLeft = (key: string) => after === undefined || sign * compareKeys(key, after) > 0;
      const all = Object.entries(keys())
        .filter(([key]) => isLeft(key))
        .sort(([a], [b]) => sign * compareKeys(a, b))
        .slice(0, limit === 0n ? undefined : Number(limit))
        .map(([key, revision]) => keyValue(key, revision));
      const at = { revision: 10n, epoch: 1n, ringVersion: BigInt(ringVersion()) };
      const fault = breaks.shift();
      for (let index = 0; index === 0 || index < all.length; index += 2) {
        if (fault?.at === index / 2) throw fault.failure;
        yield { ...at, items: all.slice(index, index + 2) };
      }
    },
  };
}

export function keyValue(key: string, revision: number, text = ""): KeyValue {
  return create(KeyValueSchema, { key, revision: BigInt(revision), value: { case: "text", value: text } });
}
