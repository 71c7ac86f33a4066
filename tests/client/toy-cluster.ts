import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import {
  DataService,
  type DeleteRequest,
  type GetRequest,
  type PipeRequest,
  type PutRequest,
  type ScanRequest,
  type ScanResponseSchema,
  type WatchRequest,
  type WatchResponseSchema,
} from "../../gen/kvlab/v1/data_pb.ts";
import { NotAppliedSchema, RequestForgottenSchema, WrongNodeSchema } from "../../gen/kvlab/v1/errors_pb.ts";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import { NodeRole, type Topology, TopologySchema } from "../../gen/kvlab/v1/topology_pb.ts";
import { systemClock } from "../../src/common/clock.ts";
import { pipeHandlers } from "../../src/rpc/kv/pipe-service.ts";
import { type UnaryCalls, unaryHandlers } from "../../src/rpc/kv/unary-calls.ts";
import { type Listener, listen } from "../../src/rpc/port/listener.ts";

/** What servers do with calls; a test replaces what it cares for. */
export interface ToyBehaviour {
  get(request: GetRequest, signal: AbortSignal): Promise<{ revision: bigint }>;
  put(request: PutRequest, signal: AbortSignal): Promise<{ revision: bigint; group?: string }>;
  delete(request: DeleteRequest, signal: AbortSignal): Promise<{ revision: bigint }>;
  scan(request: ScanRequest): AsyncIterable<MessageInitShape<typeof ScanResponseSchema>>;
  watch(
    request: WatchRequest,
    signal: AbortSignal,
  ): AsyncIterable<MessageInitShape<typeof WatchResponseSchema>>;
}

export interface ToyServer extends ToyBehaviour {
  readonly address: string;
  /** Operations of each message that has come through its pipes. */
  readonly messages: number[];
  /** Tells another topology to all who watch it here. */
  tell(topology: Topology): void;
  close(): Promise<void>;
}

/** A router and data node in one, on a port of its own. */
export async function startToyServer(behaviour: Partial<ToyBehaviour> = {}): Promise<ToyServer> {
  let topology: Topology | undefined;
  const told = new Set<() => void>();
  const messages: number[] = [];
  const toy = { ...standard, ...behaviour };
  const routes = (router: ConnectRouter) => {
    const calls: UnaryCalls = {
      get: (request, { signal }) => toy.get(request, signal),
      put: (request, { signal }) => toy.put(request, signal),
      delete: (request, { signal }) => toy.delete(request, signal),
      batch: () => Promise.reject(new ConnectError("no batches here", Code.Unimplemented)),
    };
    const { pipe, exchange } = pipeHandlers(calls, systemClock);
    router.service(DataService, {
      ...unaryHandlers(calls),
      pipe: (requests, context) => pipe(counted(requests, messages), context),
      exchange,
      scan: (request) => toy.scan(request),
      watch: (request, { signal }) => toy.watch(request, signal),
    });
    router.service(RouterService, {
      getTopology: () => ({ ...(topology && { topology }) }),
      async *watchTopology(_request, { signal }) {
        while (!signal.aborted) {
          yield { ...(topology && { topology }) };
          await new Promise<void>((resolve) => {
            told.add(resolve);
            signal.addEventListener("abort", () => resolve(), { once: true });
          });
        }
      },
    });
  };
  const listener: Listener = await listen({ host: "127.0.0.1", port: 0, routes, drainMs: 0, log: () => {} });
  return Object.assign(toy, {
    address: `127.0.0.1:${listener.port}`,
    messages,
    tell(next: Topology) {
      topology = next;
      for (const wake of told) wake();
      told.clear();
    },
    close: () => listener.close(),
  });
}

/** A topology of groups, by name with the address of the primary, each with as many keys as the others. */
export function topologyOf(
  primaries: Readonly<Record<string, string>>,
  epoch = 1n,
  ringVersion = 1n,
): Topology {
  return create(TopologySchema, {
    ringVersion,
    virtualNodes: 16,
    groups: Object.entries(primaries).map(([name, address]) => ({
      name,
      epoch,
      nodes: address === "" ? [] : [{ number: 0, address, role: NodeRole.PRIMARY, inSync: true }],
    })),
  });
}

export function notApplied(code = Code.Unavailable): ConnectError {
  return new ConnectError("not now", code, undefined, [{ desc: NotAppliedSchema, value: {} }]);
}

export function wrongNode(address: string, ringVersion = 1n): ConnectError {
  const detail = { desc: WrongNodeSchema, value: { group: "g", address, ringVersion } };
  return new ConnectError("not mine", Code.FailedPrecondition, undefined, [detail]);
}

export function requestForgotten(revision: bigint, group = ""): ConnectError {
  const detail = { desc: RequestForgottenSchema, value: { revision, group } };
  return new ConnectError("too long ago", Code.FailedPrecondition, undefined, [detail]);
}

/** For a call that is never answered. */
export function never(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

const standard: ToyBehaviour = {
  get: async () => ({ revision: 1n }),
  put: async () => ({ revision: 1n }),
  delete: async () => ({ revision: 1n }),
  async *scan() {},
  async *watch(_request, signal) {
    yield { revision: 1n, epoch: 1n };
    await never(signal);
  },
};

async function* counted(
  requests: AsyncIterable<PipeRequest>,
  messages: number[],
): AsyncIterable<PipeRequest> {
  for await (const request of requests) {
    messages.push(request.operations.length);
    yield request;
  }
}
