import type { ConnectRouter } from "@connectrpc/connect";
import { ElectionService } from "../../../gen/kvlab/internal/v1/election_pb.ts";
import type { SilenceReport } from "../../cluster/replication/peer.ts";
import { answering } from "../errors.ts";

/** The calls of data nodes that the master answers. */
export interface ElectionHandler {
  reportSilence(report: SilenceReport): Promise<boolean>;
}

export function electionRoutes(router: ConnectRouter, master: ElectionHandler): void {
  router.service(ElectionService, {
    reportSilence: ({ cluster, group, epoch, number, incarnation }) =>
      answering(async () => ({
        promoted: await master.reportSilence({
          cluster,
          group,
          epoch: Number(epoch),
          reporter: { number, incarnation },
        }),
      })),
  });
}
