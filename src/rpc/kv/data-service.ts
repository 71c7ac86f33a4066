import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { DataService, StandbyState, type StatusResponseSchema } from "../../../gen/kvlab/v1/data_pb.ts";
import { NodeRole } from "../../../gen/kvlab/v1/topology_pb.ts";
import { OperationError } from "../../cluster/metadata/operation-error.ts";
import type { DataNode, NodeStatus } from "../../cluster/node/data-node.ts";
import type { Clock } from "../../common/clock.ts";
import { answering } from "../errors.ts";
import { toMoveProgress } from "../progress-messages.ts";
import { groupStreamHandlers } from "./group-streams.ts";
import { pipeHandlers } from "./pipe-service.ts";
import { callsOfNode, unaryHandlers } from "./unary-calls.ts";

/** `DataService` of a data node, which answers for the keys of its group while it is the primary. */
export function dataRoutes(router: ConnectRouter, node: DataNode, clock: Clock): void {
  const calls = callsOfNode(node.calls, node.group, clock);
  router.service(DataService, {
    ...unaryHandlers(calls),
    ...pipeHandlers(calls, clock),
    ...groupStreamHandlers(node.calls, node.group, clock),
    status: ({ group, number }) =>
      answering(async () => {
        const status = node.status();
        if (group !== "" && group !== status.group) {
          throw new OperationError(
            "not-found",
            `this node belongs to group "${status.group}", not to "${group}"`,
          );
        }
        if (number !== undefined && number !== status.number) {
          throw new OperationError("not-found", `this is node ${status.number} of its group, not ${number}`);
        }
        return toStatus(status);
      }, node.group),
  });
}

const standbyStates = {
  probe: StandbyState.PROBE,
  replicate: StandbyState.REPLICATE,
  snapshot: StandbyState.SNAPSHOT,
  paused: StandbyState.PAUSED,
} as const;

function toStatus(status: NodeStatus): MessageInitShape<typeof StatusResponseSchema> {
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
    standbys: status.standbys.map(({ ackedSeq, state, snapshotPercent, ...standby }) => ({
      ...standby,
      ackedSeq: BigInt(ackedSeq),
      lag: BigInt(Math.max(0, status.lastSeq - ackedSeq)),
      state: standbyStates[state],
      ...(snapshotPercent !== undefined && { snapshotPercent }),
    })),
    unavailable: status.unavailable ?? "",
    diskTrouble: status.diskProblem ?? "",
    moves: status.moves.map(toMoveProgress),
  };
}
