import { ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { ScanRequest, WatchRequest } from "../../../gen/kvlab/v1/data_pb.ts";
import type { DataClient } from "../../client/channel/channel.ts";
import type { Topology } from "../../cluster/metadata/model.ts";
import { OperationError } from "../../cluster/metadata/operation-error.ts";
import type { TopologySource } from "../../cluster/metadata/topology.ts";
import type { Address } from "../../common/address.ts";
import type { Clock } from "../../common/clock.ts";
import { deadlineOf } from "../deadline.ts";
import { relayed, toConnectError } from "../errors.ts";
import { awaitPrimary } from "./primary-wait.ts";

/** Scan and Watch of a router: forwarded to the primary of the group that they name. */
export function forwardedStreamHandlers(
  source: TopologySource,
  clock: Clock,
  clientAt: (address: Address) => DataClient,
) {
  return {
    scan: (request: ScanRequest, context: HandlerContext) =>
      relaying({
        source,
        clock,
        asked: request.group,
        context,
        open: (address, group) => clientAt(address).scan({ ...request, group }, { signal: context.signal }),
      }),
    watch: (request: WatchRequest, context: HandlerContext) =>
      relaying({
        source,
        clock,
        asked: request.group,
        context,
        open: (address, group) => clientAt(address).watch({ ...request, group }, { signal: context.signal }),
      }),
  };
}

interface Relay<T> {
  readonly source: TopologySource;
  readonly clock: Clock;
  /** The group that the request names. */
  readonly asked: string;
  readonly context: HandlerContext;
  /** Makes the same call at the primary. */
  readonly open: (address: Address, group: string) => AsyncIterable<T>;
}

async function* relaying<T>(relay: Relay<T>): AsyncGenerator<T, void, void> {
  const { source, clock, asked, context, open } = relay;
  try {
    const groupIn = (topology: Topology) => groupAsked(topology, asked);
    const { group, address } = await awaitPrimary(source, clock, groupIn, deadlineOf(context, clock));
    yield* open(address, group);
  } catch (error) {
    throw error instanceof ConnectError ? relayed(error) : toConnectError(error);
  }
}

/** The group that a request names, or the only group if it names none. Errors: OperationError. */
function groupAsked(topology: Topology, asked: string): string | undefined {
  const names = topology.ring?.value.groups ?? [];
  if (asked === "" && names.length > 1) {
    throw new OperationError(
      "invalid",
      `a router needs to know which group is meant: set group to one of ${names.toSorted().join(", ")}`,
    );
  }
  if (asked !== "" && !topology.groups.has(asked)) {
    throw new OperationError("not-found", `there is no group "${asked}"`);
  }
  return asked === "" ? names[0] : asked;
}
