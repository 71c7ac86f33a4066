import type { ConnectRouter } from "@connectrpc/connect";
import { DataService, type GetResponse, type PutRequest } from "../../gen/kvlab/v1/data_pb.ts";
import { NodeRole } from "../../gen/kvlab/v1/topology_pb.ts";
import type { DataNode, NodeStatus } from "../cluster/data-node.ts";
import { KvError } from "../cluster/errors.ts";
import type { StoredValue } from "../cluster/log-store.ts";
import { deadlineOf } from "./deadline.ts";
import { answering } from "./errors.ts";

/** `DataService` of a data node: it answers for the keys of its own group, while it is the primary. */
export function dataRoutes(router: ConnectRouter, node: DataNode): void {
  const answer = <T>(call: () => Promise<T>) => answering(call, node.group);
  router.service(DataService, {
    get: ({ key }, context) =>
      answer(async () => {
        const found = await node.get(key, deadlineOf(context));
        return { value: toValue(found), revision: BigInt(found.revision) };
      }),

    put: ({ key, value }, context) =>
      answer(async () => {
        const revision = await node.put(key, fromValue(value), value.case === "text", deadlineOf(context));
        return { revision: BigInt(revision) };
      }),

    delete: ({ key }, context) =>
      answer(async () => ({ revision: BigInt(await node.delete(key, deadlineOf(context))) })),

    status: ({ group, number }) =>
      answer(async () => {
        const status = node.status();
        if (group !== "" && group !== status.group) {
          throw new KvError("not-found", `this node belongs to group "${status.group}", not to "${group}"`);
        }
        if (number !== undefined && number !== status.number) {
          throw new KvError("not-found", `this is node ${status.number} of its group, not ${number}`);
        }
        return toStatus(status);
      }),
  });
}

function fromValue(value: PutRequest["value"]): Uint8Array {
  if (value.case === "text") return Buffer.from(value.value);
  return value.value ?? new Uint8Array();
}

function toValue({ value, text }: StoredValue): GetResponse["value"] {
  return text
    ? { case: "text", value: Buffer.from(value.buffer, value.byteOffset, value.length).toString() }
    : { case: "bytes", value };
}

function toStatus(status: NodeStatus) {
  return {
    group: status.group,
    number: status.number,
    role: status.primary ? NodeRole.PRIMARY : NodeRole.STANDBY,
    epoch: BigInt(status.epoch),
    lastSeq: BigInt(status.lastSeq),
    committedSeq: BigInt(status.committedSeq),
    keys: BigInt(status.keys),
    logBytes: BigInt(status.logBytes),
    garbageBytes: BigInt(status.garbageBytes),
    standbys: status.standbys.map(({ number, ackedSeq, inSync }) => ({
      number,
      ackedSeq: BigInt(ackedSeq),
      lag: BigInt(Math.max(0, status.lastSeq - ackedSeq)),
      inSync,
    })),
    unavailable: status.unavailable ?? "",
  };
}
