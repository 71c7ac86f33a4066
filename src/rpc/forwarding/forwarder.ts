import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import {
  type BatchRequest,
  type BatchResponse,
  DataService,
  type DeleteRequest,
  type DeleteResponse,
  type GetRequest,
  type GetResponse,
  type PutRequest,
  type PutResponse,
  type RequestId,
} from "../../../gen/kvlab/v1/data_pb.ts";
import { NotAppliedSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import { type Attempt, toConnectError as errorIn, type Outcome } from "../../client/channel/channel.ts";
import { Deadline } from "../../client/deadline.ts";
import type { Connections } from "../../client/environment.ts";
import { classify } from "../../client/error-classification.ts";
import type { Call } from "../../client/requests.ts";
import { type ServerLink, Servers } from "../../client/servers.ts";
import type { NodeView, Topology } from "../../cluster/metadata/model.ts";
import { OperationError } from "../../cluster/metadata/operation-error.ts";
import type { TopologySource } from "../../cluster/metadata/topology.ts";
import { checkKey } from "../../cluster/node/limits.ts";
import { ownerOf, primaryOf } from "../../cluster/ring/placement.ts";
import { requireGroup, requireNode, requirePrimary } from "../../cluster/ring/require.ts";
import type { Address } from "../../common/address.ts";
import { type Clock, sleep, wholeTimerMs } from "../../common/clock.ts";
import { Deadlines } from "../../common/deadlines.ts";
import { defaultDeadlineMs } from "../deadline.ts";
import { relayed, toConnectError } from "../errors.ts";
import { firstTopology } from "../first-topology.ts";
import { pipeHandlers } from "../kv/pipe-service.ts";
import { type CallEnd, type UnaryCalls, unaryHandlers } from "../kv/unary-calls.ts";
import { forwardedStreamHandlers } from "./forwarded-streams.ts";
import { awaitPrimary } from "./primary-wait.ts";
import { type CallKind, mayRepeat, retryMs } from "./repetition.ts";

/** What may be in flight to one data node, of reads and of writes. A node begins no more operations of one pipe. */
const limits = { operationsMax: 256, bytesMax: 16 * 1024 * 1024 };

export interface ForwarderOptions {
  readonly source: TopologySource;
  readonly connections: Connections;
  readonly clock: Clock;
}

/** `DataService` of a router: forwards each call to the primary that owns its key. */
export function forwardingRoutes(router: ConnectRouter, options: ForwarderOptions): void {
  const { source, clock } = options;
  const forwarder = new Forwarder(options);
  const serverAt = (address: string) => forwarder.serverAt(address);
  router.service(DataService, {
    ...unaryHandlers(forwarder),
    ...pipeHandlers(forwarder, clock),
    ...forwardedStreamHandlers(source, clock, serverAt),
    async status(request, { signal }) {
      try {
        const topology = await firstTopology(source, clock, signal);
        const node = findNode(topology, request.group, request.number);
        return await serverAt(node.address).data.status(request, { signal });
      } catch (error) {
        throw toConnectError(error);
      }
    },
  });
}

/**
 * Forwards calls about keys, many in one message. It retries a call until the deadline while the call has certainly not
 * been applied. It always retries reads, and writes with a request id.
 */
export class Forwarder implements UnaryCalls {
  readonly #options: ForwarderOptions;
  readonly #deadlines: Deadlines;
  /** Reads have links of their own, so that they need not wait for writes, which wait for disks and standbys. */
  readonly #readers: Servers;
  readonly #writers: Servers;
  /** The last primary of each group. */
  readonly #primaries = new Map<string, Address>();

  constructor(options: ForwarderOptions) {
    const { source, connections, clock } = options;
    this.#options = options;
    this.#deadlines = new Deadlines(clock);
    this.#readers = new Servers({ connections, limits, clock });
    this.#writers = new Servers({ connections, limits, clock });
    if (source.current !== undefined) this.#retireReplaced(source.current);
    source.onChange((topology) => this.#retireReplaced(topology));
  }

  /** For the calls that are not about one key. */
  serverAt(address: string): ServerLink {
    return this.#readers.at(address);
  }

  async get(value: GetRequest, end: CallEnd): Promise<GetResponse> {
    const outcome = await this.#forward(value.key, "read", { case: "get", value }, end);
    return outcome.case === "get" ? outcome.value : misanswered("get", outcome);
  }

  async put(value: PutRequest, end: CallEnd): Promise<PutResponse> {
    const outcome = await this.#forward(value.key, kindOf(value), { case: "put", value }, end);
    return outcome.case === "put" ? outcome.value : misanswered("put", outcome);
  }

  async delete(value: DeleteRequest, end: CallEnd): Promise<DeleteResponse> {
    const outcome = await this.#forward(value.key, kindOf(value), { case: "delete", value }, end);
    return outcome.case === "delete" ? outcome.value : misanswered("delete", outcome);
  }

  async batch(value: BatchRequest, end: CallEnd): Promise<BatchResponse> {
    const outcome = await this.#forward(firstKeyOf(value), kindOf(value), { case: "batch", value }, end);
    return outcome.case === "batch" ? outcome.value : misanswered("batch", outcome);
  }

  async #forward(key: string, kind: CallKind, call: Call, end: CallEnd): Promise<Outcome> {
    const deadline = new Deadline(this.#deadlines, Number.POSITIVE_INFINITY, end.signal);
    try {
      checkKey(key);
      return await this.#untilApplied({ key, kind, call, end, deadline });
    } catch (error) {
      throw toConnectError(error);
    } finally {
      deadline.release();
    }
  }

  /** Errors: ConnectError, OperationError. */
  async #untilApplied({ key, kind, call, end, deadline }: Forwarding): Promise<Outcome> {
    const { clock } = this.#options;
    const { signal } = end;
    /** The group in which an attempt may have been applied, if there is one. */
    let unsureIn: string | undefined;
    for (;;) {
      const { group, address } = await this.#primaryFor(key, signal).catch((error: unknown) => {
        throw unsureIn === undefined ? error : outcomeUnknown(unsureIn, error);
      });
      const timeoutMs = wholeTimerMs(end.timeoutMs() ?? defaultDeadlineMs);
      const attempt = { call, timeoutMs, sent: false };
      const servers = kind === "read" ? this.#readers : this.#writers;
      try {
        const outcome = await servers.at(address).channel.send(attempt, deadline);
        if (outcome.case === "failure") throw errorIn(outcome.value);
        outcome.value.group = group;
        return outcome;
      } catch (thrown) {
        const error = signal.aborted ? givenUp(signal, attempt) : ConnectError.from(thrown);
        const errorClass = classify(error);
        // The error says nothing about earlier attempts, which may even be in flight still.
        if (kind !== "read" && errorClass.applied === "maybe") unsureIn = group;
        if (signal.aborted || !mayRepeat(error, errorClass, kind)) {
          throw unsureIn === undefined ? relayed(error) : outcomeUnknown(unsureIn, error);
        }
        await sleep(clock, retryMs, signal);
        if (signal.aborted) throw unsureIn === undefined ? error : outcomeUnknown(unsureIn, error);
      }
    }
  }

  async #primaryFor(key: string, signal: AbortSignal): Promise<{ group: string; address: Address }> {
    const { source, clock } = this.#options;
    return await awaitPrimary(source, clock, (topology) => ownerOf(topology, key)?.group, signal);
  }

  /** A primary that was replaced may be paused or cut off: its calls are given up after a moment. */
  #retireReplaced({ groups }: Topology): void {
    for (const [name, group] of groups) {
      const next = primaryOf(group)?.address;
      if (next === undefined) continue;
      const last = this.#primaries.get(name);
      this.#primaries.set(name, next);
      if (last === undefined || last === next) continue;
      this.#readers.replaced(last);
      this.#writers.replaced(last);
    }
  }
}

/** A call to forward. */
interface Forwarding {
  readonly key: string;
  readonly kind: CallKind;
  readonly call: Call;
  readonly end: CallEnd;
  /** Ends with `end`. */
  readonly deadline: Deadline;
}

/** A write with a request id can be retried even if it may have been applied. */
function kindOf({ requestId }: { requestId?: RequestId | undefined }): CallKind {
  return requestId === undefined ? "write" : "named write";
}

/** The owner of this key checks whether it owns the other keys too. */
function firstKeyOf({ compares, operations }: BatchRequest): string {
  return compares[0]?.key ?? operations[0]?.operation.value?.key ?? "";
}

function misanswered(kind: Call["case"], outcome: Outcome): never {
  throw new ConnectError(`the primary has answered a ${kind} with a ${outcome.case}`, Code.Internal);
}

/** The error of a call whose deadline has passed, or whose caller has gone. */
function givenUp({ reason }: AbortSignal, { sent }: Attempt): ConnectError {
  const { rawMessage, code } = ConnectError.from(reason, Code.Canceled);
  const details = sent ? [] : [{ desc: NotAppliedSchema, value: {} }];
  return new ConnectError(rawMessage, code, undefined, details, reason);
}

function outcomeUnknown(group: string, cause: unknown): ConnectError {
  const reason = ConnectError.from(cause).rawMessage;
  const message = `the write to group "${group}" may or may not have been applied: ${reason}`;
  return toConnectError(new OperationError("outcome-unknown", message, { cause }), group);
}

function findNode(topology: Topology, name: string, number: number | undefined): NodeView {
  if (name === "")
    throw new OperationError("invalid", "a router needs to know whose status is meant: set `group`");
  const group = requireGroup(topology, name);
  return number === undefined ? requirePrimary(name, group) : requireNode(group, number);
}
