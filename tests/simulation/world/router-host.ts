import { Code, ConnectError } from "@connectrpc/connect";
import type { WriteRequest } from "../../../src/cluster/kv/write-plan.ts";
import { OperationError } from "../../../src/cluster/metadata/operation-error.ts";
import type { WriteOptions } from "../../../src/cluster/node/key-service.ts";
import { RouterNode } from "../../../src/cluster/node/router-node.ts";
import { answering, toConnectError } from "../../../src/rpc/errors.ts";
import { untilApplied } from "../../../src/rpc/forwarding/forwarder.ts";
import { addressOf } from "../../support/address.ts";
import { withDeadline } from "../clients/deadline.ts";
import { sessionOpener } from "./coordination-client.ts";
import { Host } from "./host.ts";
import { LinkError } from "./network.ts";
import { peersOf } from "./peers.ts";
import type { SimProcess } from "./process.ts";
import type { Services } from "./services.ts";

/** A machine with a router, which hands the clients' calls on to the primaries. */
export class RouterHost extends Host {
  /** Hands a group's primary over, as far as that is possible now. */
  transfer: ((group: string, number: number) => void) | undefined;

  protected async run(process: SimProcess): Promise<void> {
    const { network, coordination, invariants, scheduler } = this.world;
    const { clock } = process;
    const node = new RouterNode({
      openSession: sessionOpener(coordination, process),
      clock,
      access: "open",
      peerAt: peersOf(process, network, invariants, () => scheduler.nowMs),
      virtualNodes: 8,
      whoAnswers: async () => "self",
      log: (message) => process.log(message),
      onFailure: (error) => this.failed(process, error),
    });
    this.onLeave = () => node.leave();
    this.transfer = (group, number) =>
      void withDeadline(clock, new AbortController().signal, (signal) =>
        node.transferLeadership(group, number, signal),
      ).then(
        (epoch) => process.log(`the leadership of group ${group} was transferred, epoch ${epoch}`),
        (error) => process.log(`the leadership of group ${group} was not transferred: ${error.message}`),
      );
    const forward = <T>(
      key: string,
      kind: "read" | "write" | "named write",
      caller: AbortSignal,
      call: (services: Services, signal: AbortSignal) => Promise<T>,
    ) =>
      answering(() =>
        withDeadline(clock, caller, (signal) =>
          untilApplied(node.topology, clock, key, kind, signal, async (address, given) => {
            const to = address.slice(0, address.indexOf(":"));
            const what = `${kind} ${key}`;
            try {
              return await network.call({ from: process, to, what, signal: given, handle: call });
            } catch (error) {
              throw toTransportError(error);
            }
          }),
        ),
      );
    network.listen(process, {
      append: () => Promise.reject(new Error("this is a router")),
      countMisplaced: () => {
        throw new Error("this is a router");
      },
      transferLeadership: () => Promise.reject(new Error("this is a router")),
      position: () => {
        throw new Error("this is a router");
      },
      reportSilence: (report) => node.reportSilence(report),
      group: undefined,
      get: (key, caller) => forward(key, "read", caller, (data, signal) => data.get(key, signal)),
      put: (key, value, options, caller) =>
        forward(key, kindOf(options), caller, (data, signal) =>
          data.put(key, Uint8Array.from(value), options, signal),
        ),
      delete: (key, options, caller) =>
        forward(key, kindOf(options), caller, (data, signal) => data.delete(key, options, signal)),
      write: (request, caller) => {
        const key = request.compares[0]?.key ?? request.operations[0]?.key ?? "";
        return forward(key, kindOf(request), caller, (data, signal) => data.write(copyOf(request), signal));
      },
    });
    await node.join(addressOf(`${this.name}:1926`));
  }

  protected override ended(): void {
    this.transfer = undefined;
  }
}

function kindOf({ requestId }: WriteOptions): "write" | "named write" {
  return requestId === undefined ? "write" : "named write";
}

function copyOf(request: WriteRequest): WriteRequest {
  const operations = request.operations.map((operation) =>
    operation.kind === "put" ? { ...operation, value: Uint8Array.from(operation.value) } : operation,
  );
  return { ...request, operations };
}

/** What the transport makes of a call that has failed on the way. */
function toTransportError(error: unknown): unknown {
  if (!(error instanceof LinkError)) return error;
  if (error.unseen) return toConnectError(new OperationError("unavailable", error.message));
  return new ConnectError(error.message, Code.Unavailable);
}
