import type {
  CountMisplacedRequest,
  MisplacedKeys,
  PositionRequest,
  SilenceReport,
  TransferRequest,
} from "../../../src/cluster/replication/peer.ts";
import type { Position } from "../../../src/cluster/storage/model.ts";
import type { Routes } from "./routes.ts";

/** What a process answers over the network. */
export interface Services {
  countMisplaced(request: CountMisplacedRequest): Promise<MisplacedKeys>;
  transferLeadership(request: TransferRequest, signal: AbortSignal): Promise<number>;
  position(request: PositionRequest): Position | undefined;
  reportSilence(report: SilenceReport): Promise<boolean>;
  /** What programs outside call, and the messages of replication. */
  readonly routes: Routes;
}
