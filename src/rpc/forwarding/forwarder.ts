import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError, type ConnectRouter, createClient } from "@connectrpc/connect";
import { type BatchRequest, DataService, type RequestId } from "../../../gen/kvlab/v1/data_pb.ts";
import type { DataClient } from "../../client/channel/channel.ts";
import { classify, type ErrorClass } from "../../client/error-classification.ts";
import type { NodeView, Topology } from "../../cluster/metadata/model.ts";
import { OperationError } from "../../cluster/metadata/operation-error.ts";
import type { TopologySource } from "../../cluster/metadata/topology.ts";
import { checkKey } from "../../cluster/node/limits.ts";
import { noPrimaryReason, ownerOf, primaryOf } from "../../cluster/ring/placement.ts";
import type { Address } from "../../common/address.ts";
import { type Clock, sleep } from "../../common/clock.ts";
import { answering, relayed, toConnectError } from "../errors.ts";
import { firstTopology } from "../first-topology.ts";
import { pipeHandlers } from "../kv/pipe-service.ts";
import { type UnaryCalls, unaryHandlers } from "../kv/unary-calls.ts";
import { forwardedStreamHandlers } from "./forwarded-streams.ts";
import { awaitPrimary } from "./primary-wait.ts";

/** Pause before a retry, which gives the topology time to change. */
const retryMs = 50;

/** How long a replaced primary may take to answer the calls that it has. It refuses most of them itself. */
const replacedGraceMs = 1000;

type CallKind = "read" | "write" | "named write";

/**
 * `DataService` of a router: forwards each call to the primary that owns its key. It retries a call until the deadline
 * while the call has certainly not been applied. It always retries reads, and writes with a request id.
 */
export function forwardingRoutes(
  router: ConnectRouter,
  source: TopologySource,
  transportTo: (address: Address) => Transport,
  clock: Clock,
): void {
  const clients = new WeakMap<Transport, DataClient>();
  const clientAt = (address: Address) => {
    const transport = transportTo(address);
    const client = clients.get(transport) ?? createClient(DataService, transport);
    clients.set(transport, client);
    return client;
  };
  const forward = <T>(
    key: string,
    kind: CallKind,
    signal: AbortSignal,
    call: (client: DataClient, options: { signal: AbortSignal }) => Promise<T>,
  ) =>
    answering(async () => {
      checkKey(key);
      return await untilApplied({ source, clock, key, kind, signal }, (address, given) =>
        call(clientAt(address), { signal: given }),
      );
    });
  const calls: UnaryCalls = {
    get: (request, { signal }) =>
      forward(request.key, "read", signal, (client, options) => client.get(request, options)),
    put: (request, { signal }) =>
      forward(request.key, kindOf(request), signal, (client, options) => client.put(request, options)),
    delete: (request, { signal }) =>
      forward(request.key, kindOf(request), signal, (client, options) => client.delete(request, options)),
    batch: (request, { signal }) =>
      forward(firstKeyOf(request), kindOf(request), signal, (client, options) =>
        client.batch(request, options),
      ),
  };

  router.service(DataService, {
    ...unaryHandlers(calls),
    ...pipeHandlers(calls, clock),
    ...forwardedStreamHandlers(source, clock, clientAt),
    status: (request, { signal }) =>
      answering(async () => {
        const topology = await firstTopology(source, clock, signal);
        const node = findNode(topology, request.group, request.number);
        return await clientAt(node.address).status(request, { signal });
      }),
  });
}

/** A write with a request id can be retried even if it may have been applied. */
function kindOf({ requestId }: { requestId?: RequestId | undefined }): CallKind {
  return requestId === undefined ? "write" : "named write";
}

/** The owner of this key checks whether it owns the other keys too. */
function firstKeyOf({ compares, operations }: BatchRequest): string {
  return compares[0]?.key ?? operations[0]?.operation.value?.key ?? "";
}

/** A call to forward. */
export interface Forwarding {
  readonly source: TopologySource;
  readonly clock: Clock;
  readonly key: string;
  readonly kind: CallKind;
  /** Aborted at the deadline, or when the caller has gone. */
  readonly signal: AbortSignal;
}

/**
 * Runs `call` with the address of the primary that owns the key. Retries while that is safe, until the signal is aborted.
 * Errors: ConnectError, OperationError.
 */
export async function untilApplied<T>(
  forwarding: Forwarding,
  call: (address: Address, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { source, clock, key, kind, signal } = forwarding;
  const groupIn = (topology: Topology) => ownerOf(topology, key)?.group;
  /** Whether an attempt may have been applied. */
  let isUnsure = false;
  for (;;) {
    const { group, address } = await awaitPrimary(source, clock, groupIn, signal).catch((error: unknown) => {
      throw isUnsure ? outcomeUnknown("", error) : error;
    });
    try {
      return await unlessReplaced(forwarding, address, call);
    } catch (thrown) {
      const error = ConnectError.from(thrown);
      const errorClass = classify(error);
      // The error says nothing about earlier attempts, which may even be in flight still.
      isUnsure ||= kind !== "read" && errorClass.applied === "maybe";
      if (signal.aborted || !mayRepeat(error, errorClass, kind)) {
        throw isUnsure ? outcomeUnknown(group, error) : relayed(error);
      }
      await sleep(clock, retryMs, signal);
      if (signal.aborted) throw isUnsure ? outcomeUnknown(group, error) : error;
    }
  }
}

/** Gives up a call when its primary was replaced, because the old primary may be paused or cut off. */
async function unlessReplaced<T>(
  { source, clock, key, signal }: Forwarding,
  address: Address,
  call: (address: Address, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const replaced = new AbortController();
  let cancel: (() => void) | undefined;
  const stop = source.onChange((topology) => {
    const next = ownerOf(topology, key)?.address;
    if (next === undefined || next === address || cancel !== undefined) return;
    cancel = clock.timer(replacedGraceMs, () => replaced.abort());
  });
  try {
    return await call(address, AbortSignal.any([signal, replaced.signal]));
  } catch (error) {
    if (signal.aborted || !replaced.signal.aborted) throw error;
    throw new ConnectError(`${address} is the primary no longer, and has not answered`, Code.Unavailable);
  } finally {
    stop();
    cancel?.();
  }
}

function mayRepeat({ code }: ConnectError, { next, applied }: ErrorClass, kind: CallKind): boolean {
  // "No such key" is an answer. And retries would add to the load of an overloaded server.
  if (code === Code.NotFound || code === Code.ResourceExhausted) return false;
  if (next !== "again") return next === "redirect";
  return applied === "no" || kind !== "write";
}

function outcomeUnknown(group: string, cause: unknown): ConnectError {
  const reason = ConnectError.from(cause).rawMessage;
  const message = `the write to group "${group}" may or may not have been applied: ${reason}`;
  return toConnectError(new OperationError("outcome-unknown", message, { cause }), group);
}

function findNode(topology: Topology, name: string, number: number | undefined): NodeView {
  if (name === "")
    throw new OperationError("invalid", "a router needs to know whose status is meant: set `group`");
  const group = topology.groups.get(name);
  if (group === undefined) throw new OperationError("not-found", `there is no group "${name}"`);
  const node =
    number === undefined ? primaryOf(group) : group.nodes.find((candidate) => candidate.number === number);
  if (node !== undefined) return node;
  if (number === undefined) throw new OperationError("unavailable", noPrimaryReason(name, group));
  throw new OperationError("not-found", `group "${name}" has no live node ${number}`);
}
