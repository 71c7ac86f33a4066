import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import type { PutRequest } from "../../gen/kvlab/v1/data_pb.ts";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import type { WatchTopologyResponse } from "../../gen/kvlab/v1/router_pb.ts";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import type { Health } from "../../src/rpc/health.ts";
import { addHealth } from "../../src/rpc/health.ts";
import type { Listener, ListenOptions } from "../../src/rpc/port/listener.ts";
import { listen } from "../../src/rpc/port/listener.ts";
import { addReflection } from "../../src/rpc/reflection.ts";

type Topologies = AsyncIterable<{ topology?: { ringVersion: bigint } }>;

export interface ToyOptions extends Partial<ListenOptions> {
  readonly health?: Health;
  /** Runs before each Put is applied. */
  readonly onPut?: (request: PutRequest, context: HandlerContext) => void | Promise<void>;
  readonly watchTopology?: (request: unknown, context: HandlerContext) => Topologies;
}

export interface ToyNode extends Listener {
  readonly values: Map<string, PutRequest["value"]>;
  readonly baseUrl: string;
}

/** A listener with a node's services over a Map. */
export async function startToyNode(options: ToyOptions = {}): Promise<ToyNode> {
  const values = new Map<string, PutRequest["value"]>();
  const routes = (router: ConnectRouter) => {
    router.service(DataService, {
      get({ key }) {
        const value = values.get(key);
        if (value === undefined) throw new ConnectError(`no key ${key}`, Code.NotFound);
        return { value, revision: 1n };
      },
      async put(request, context) {
        await options.onPut?.(request, context);
        values.set(request.key, request.value);
        return { revision: 1n };
      },
      delete: () => ({}),
    });
    router.service(RouterService, {
      getTopology: () => ({}),
      watchTopology: options.watchTopology ?? threeTopologies,
    });
    addHealth(router, options.health ?? { serving: () => true, onChange: () => () => {} });
    addReflection(router);
  };
  const listener = await listen({ host: "127.0.0.1", port: 0, routes, log: () => {}, ...options });
  return { ...listener, values, baseUrl: `http://127.0.0.1:${listener.port}` };
}

async function* threeTopologies(): Topologies {
  for (const ringVersion of [1n, 2n]) yield { topology: { ringVersion } };
  // An empty message: a frame without payload.
  yield {};
}

export function ringVersions(answers: readonly WatchTopologyResponse[]): (bigint | undefined)[] {
  return answers.map(({ topology }) => topology?.ringVersion);
}

/** One transport of each kind that the port serves, by a name for test titles. */
export function transportsTo(baseUrl: string) {
  // Without compression: Deno's client takes the end of a compressed answer for a connection that broke.
  const acceptCompression: [] = [];
  const nodeOptions = { maxSessionMemory: 1_024 };
  const http2 = { baseUrl, httpVersion: "2", nodeOptions, acceptCompression } as const;
  const http1 = { baseUrl, httpVersion: "1.1" } as const;
  return {
    gRPC: createGrpcTransport(http2),
    "gRPC-Web over HTTP/2": createGrpcWebTransport(http2),
    "gRPC-Web over HTTP/1.1": createGrpcWebTransport(http1),
    "Connect over HTTP/2": createConnectTransport(http2),
    "Connect over HTTP/1.1": createConnectTransport(http1),
  };
}

export const transportNames = [
  "gRPC",
  "gRPC-Web over HTTP/2",
  "gRPC-Web over HTTP/1.1",
  "Connect over HTTP/2",
  "Connect over HTTP/1.1",
] as const satisfies readonly (keyof ReturnType<typeof transportsTo>)[];
