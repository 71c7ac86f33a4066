import { ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { AdminService } from "../../gen/kvlab/v1/admin_pb.ts";
import type { RouterNode } from "../cluster/node/router-node.ts";
import { answering, relayed } from "./errors.ts";

export function adminRoutes(router: ConnectRouter, node: RouterNode): void {
  router.service(AdminService, {
    transfer: ({ group, number }, { signal }) =>
      answering(async () => {
        try {
          return { epoch: BigInt(await node.transferLeadership(group, number, signal)) };
        } catch (error) {
          throw error instanceof ConnectError ? relayed(error) : error;
        }
      }),
    recover: ({ group, acceptDataLoss }, { signal }) =>
      answering(async () => {
        const { primary, epoch, loss } = await node.recover(group, acceptDataLoss, signal);
        return { number: primary.number, epoch: BigInt(epoch), loss };
      }),
  });
}
