import type { ConnectRouter } from "@connectrpc/connect";
import { MoveService } from "../../../gen/kvlab/internal/v1/move_pb.ts";
import type { MoveInRequest, MoveOutAnswer, MoveOutRequest } from "../../cluster/replication/peer.ts";
import { answering } from "../errors.ts";
import { fromMoveOutRequest, toMoveOutResponse } from "./move-steps.ts";

/** The calls of moves that a data node answers. */
export interface MoveHandler {
  moveIn(request: MoveInRequest): Promise<void>;
  moveOut(request: MoveOutRequest, signal: AbortSignal): Promise<MoveOutAnswer>;
}

export function moveRoutes(router: ConnectRouter, node: MoveHandler): void {
  router.service(MoveService, {
    moveIn: ({ cluster, group, from, change }) =>
      answering(async () => {
        await node.moveIn({ cluster, group, from, change: Number(change) });
        return {};
      }),
    moveOut: (message, { signal }) =>
      answering(async () => toMoveOutResponse(await node.moveOut(fromMoveOutRequest(message), signal))),
  });
}
