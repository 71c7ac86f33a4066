import { ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { ScanRequest, WatchRequest } from "../../gen/kvlab/v1/data_pb.ts";
import type { DataClient } from "../client/channel/channel.ts";
import type { Address } from "../cluster/address.ts";
import { KvError } from "../cluster/errors.ts";
import type { Topology } from "../cluster/model.ts";
import { noPrimaryReason, primaryOf } from "../cluster/placement.ts";
import type { TopologySource } from "../cluster/topology.ts";
import { deadlineOf } from "./deadline.ts";
import { relayed, toConnectError } from "./errors.ts";

/** Scan and Watch of a router: handed on to the primary of the group that they name. */
export function forwardedStreamHandlers(source: TopologySource, clientAt: (address: Address) => DataClient) {
  return {
    scan: (request: ScanRequest, context: HandlerContext) =>
      relaying(source, request.group, context, (address, group) =>
        clientAt(address).scan({ ...request, group }, { signal: context.signal }),
      ),
    watch: (request: WatchRequest, context: HandlerContext) =>
      relaying(source, request.group, context, (address, group) =>
        clientAt(address).watch({ ...request, group }, { signal: context.signal }),
      ),
  };
}

async function* relaying<T>(
  source: TopologySource,
  asked: string,
  context: HandlerContext,
  open: (address: Address, group: string) => AsyncIterable<T>,
): AsyncGenerator<T, void, void> {
  try {
    const { group, address } = await primaryFor(source, asked, deadlineOf(context));
    yield* open(address, group);
  } catch (error) {
    throw error instanceof ConnectError ? relayed(error) : toConnectError(error);
  }
}

/** The primary of the group that is asked for; or of the only group, if none is. */
async function primaryFor(source: TopologySource, asked: string, signal: AbortSignal) {
  let reason = "ZooKeeper has not been reached since this router started";
  const find = (topology: Topology) => {
    const names = topology.ring?.value.groups ?? [];
    const group = asked === "" && names.length === 1 ? (names[0] ?? "") : asked;
    if (group === "" && names.length > 1) {
      throw new KvError(
        "invalid",
        `a router needs to know which group is meant: set group to one of ${names.toSorted().join(", ")}`,
      );
    }
    if (group !== "" && !topology.groups.has(group))
      throw new KvError("not-found", `there is no group "${group}"`);
    const view = topology.groups.get(group);
    const primary = view && primaryOf(view);
    if (primary !== undefined) return { group, address: primary.address };
    reason = group === "" ? "no group is in the ring yet" : noPrimaryReason(group, view);
    return undefined;
  };
  let found: ReturnType<typeof find>;
  let failed: unknown;
  await source
    .waitUntil((topology) => {
      try {
        found = find(topology);
      } catch (error) {
        failed = error;
      }
      return found !== undefined || failed !== undefined;
    }, signal)
    .catch(() => {});
  if (failed !== undefined) throw failed;
  if (found === undefined) throw new KvError("unavailable", reason);
  return found;
}
