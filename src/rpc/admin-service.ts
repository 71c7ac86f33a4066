import { ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { AdminService } from "../../gen/kvlab/v1/admin_pb.ts";
import type { RouterNode } from "../cluster/node/router-node.ts";
import type { Clock } from "../common/clock.ts";
import { deadlineOf } from "./deadline.ts";
import { answering, relayed } from "./errors.ts";

export function adminRoutes(router: ConnectRouter, node: RouterNode, clock: Clock): void {
  router.service(AdminService, {
    transfer: ({ group, number }, context) =>
      answering(async () => {
        try {
          return { epoch: BigInt(await node.transferLeadership(group, number, deadlineOf(context, clock))) };
        } catch (error) {
          throw error instanceof ConnectError ? relayed(error) : error;
        }
      }),
    recover: ({ group, acceptDataLoss }, context) =>
      answering(async () => {
        const { primary, epoch, loss } = await node.recover(
          group,
          acceptDataLoss,
          deadlineOf(context, clock),
        );
        return { number: primary.number, epoch: BigInt(epoch), loss };
      }),
  });
}
