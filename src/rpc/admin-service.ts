import { ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { AdminService } from "../../gen/kvlab/v1/admin_pb.ts";
import type { RouterNode } from "../cluster/node/router-node.ts";
import { deadlineOf } from "./deadline.ts";
import { answering, relayed } from "./errors.ts";

export function adminRoutes(router: ConnectRouter, node: RouterNode): void {
  router.service(AdminService, {
    transfer: ({ group, number }, context) =>
      answering(async () => {
        try {
          return { epoch: BigInt(await node.transferLeadership(group, number, deadlineOf(context))) };
        } catch (error) {
          throw error instanceof ConnectError ? relayed(error) : error;
        }
      }),
    recover: ({ group, acceptDataLoss }, context) =>
      answering(async () => {
        const { primary, next, loss } = await node.recover(group, acceptDataLoss, deadlineOf(context));
        return { number: primary.number, epoch: BigInt(next.epoch), loss };
      }),
  });
}
