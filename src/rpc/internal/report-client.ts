import { createClient, type Transport } from "@connectrpc/connect";
import { DataService } from "../../../gen/kvlab/v1/data_pb.ts";
import type { AskReport } from "../../cluster/node/group-report.ts";
import type { Address } from "../../common/address.ts";
import { fromMoveProgress } from "../progress-messages.ts";

/** Asks primaries for their status over the network. */
export function askingReports(transportTo: (address: Address) => Transport): AskReport {
  return async (address, group, signal) => {
    const client = createClient(DataService, transportTo(address));
    const { keys, logBytes, garbageBytes, moves } = await client.status({ group }, { signal });
    return {
      keys: Number(keys),
      bytes: Number(logBytes - garbageBytes),
      moves: moves.map(fromMoveProgress).filter((move) => move !== undefined),
    };
  };
}
