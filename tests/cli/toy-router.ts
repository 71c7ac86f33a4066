import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { DataService, type PutRequest, StandbyState } from "../../gen/kvlab/v1/data_pb.ts";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import { NodeRole, type Topology, TopologySchema } from "../../gen/kvlab/v1/topology_pb.ts";
import { OperationError } from "../../src/cluster/metadata/operation-error.ts";
import { systemClock } from "../../src/common/clock.ts";
import { toConnectError } from "../../src/rpc/errors.ts";
import { pipeHandlers } from "../../src/rpc/kv/pipe-service.ts";
import type { UnaryCalls } from "../../src/rpc/kv/unary-calls.ts";
import { listen } from "../../src/rpc/port/listener.ts";

export interface ToyRouter {
  readonly url: string;
  readonly port: number;
  readonly values: Map<string, PutRequest["value"]>;
  /** Keys that were put or deleted, one for each call that arrived. */
  readonly writes: string[];
  /** Revision of the last write. */
  revision: bigint;
  topology: Topology;
  /** Makes it as it was at the start. */
  reset(): void;
  close(): Promise<void>;
}

/** Keys for which every call fails in the way that they name. */
const failures: Readonly<Record<string, () => ConnectError>> = {
  "is unavailable": () => toConnectError(new OperationError("unavailable", 'group "g" has no primary')),
  "is unknown": () => toConnectError(new OperationError("outcome-unknown", "the primary broke off"), "g"),
  "is invalid": () =>
    toConnectError(new OperationError("invalid", "the value has 5 bytes; at most 4 are allowed")),
  "is refused": () => new ConnectError("the revision is 7, not 5", Code.FailedPrecondition),
};

/** One process that answers as a router does, from a Map. */
export async function startToyRouter(): Promise<ToyRouter> {
  const values: ToyRouter["values"] = new Map();
  const writes: string[] = [];
  const toy = {
    values,
    writes,
    revision: 0n,
    topology: sampleTopology(),
    reset() {
      values.clear();
      writes.length = 0;
      toy.revision = 0n;
      toy.topology = sampleTopology();
    },
  };
  const failAsNamed = (key: string) => {
    const failure = Object.hasOwn(failures, key) ? failures[key] : undefined;
    if (failure) throw failure();
  };

  const listener = await listen({
    host: "127.0.0.1",
    port: 0,
    messageBytesMax: 4 * 1024 * 1024,
    routes(router: ConnectRouter) {
      router.service(RouterService, {
        locate: ({ key }) => {
          failAsNamed(key);
          return { group: "g", address: key === "is down" ? "" : "127.0.0.1:2000", ringVersion: 3n };
        },
        getTopology: () => ({ topology: toy.topology }),
      });
      const calls: UnaryCalls = {
        async get({ key }) {
          failAsNamed(key);
          const value = values.get(key);
          if (!value) throw toConnectError(new OperationError("not-found", "there is no such key"));
          return { value, revision: toy.revision };
        },
        async put({ key, value }) {
          writes.push(key);
          failAsNamed(key);
          values.set(key, value);
          return { revision: ++toy.revision };
        },
        async delete({ key }) {
          writes.push(key);
          failAsNamed(key);
          if (!values.delete(key))
            throw toConnectError(new OperationError("not-found", "there is no such key"));
          return { revision: ++toy.revision };
        },
        async batch() {
          throw new ConnectError("there are no batches here", Code.Unimplemented);
        },
      };
      router.service(DataService, {
        ...pipeHandlers(calls, systemClock),
        get: (request, context) => calls.get(request, context),
        put: (request, context) => calls.put(request, context),
        delete: (request, context) => calls.delete(request, context),
        status: ({ group }) => {
          if (group === "mute")
            throw toConnectError(new OperationError("unavailable", "the primary does not answer"));
          return {
            group,
            role: NodeRole.PRIMARY,
            epoch: 2n,
            keys: 12n,
            logBytes: 3_500_000n,
            standbys: [{ number: 1, ackedSeq: 5n, lag: 4n, inSync: true, ...standbyStateIn(group) }],
          };
        },
      });
    },
  });
  return Object.assign(toy, {
    port: listener.port,
    url: `http://127.0.0.1:${listener.port}`,
    close: () => listener.close(),
  });
}

/** Group `old` has a primary of an earlier version, which does not say. */
function standbyStateIn(group: string) {
  return group === "old" ? {} : { state: StandbyState.SNAPSHOT, snapshotPercent: 45 };
}

function sampleTopology(): Topology {
  const primary = { number: 0, address: "127.0.0.1:2000", role: NodeRole.PRIMARY, inSync: true };
  const standby = { number: 1, address: "127.0.0.1:2001", role: NodeRole.STANDBY, inSync: true };
  return create(TopologySchema, {
    ringVersion: 3n,
    virtualNodes: 2,
    routers: [
      { number: 0, address: "127.0.0.1:1926" },
      { number: 2, address: "127.0.0.1:1927" },
    ],
    groups: [
      { name: "zdata1", epoch: 2n, share: 0.55, nodes: [primary, standby] },
      { name: "zdata2", epoch: 1n, share: 0.45, nodes: [primary] },
    ],
  });
}
