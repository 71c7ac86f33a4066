import { ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { ScanRequest, WatchRequest } from "../../../gen/kvlab/v1/data_pb.ts";
import { classify } from "../../client/error-classification.ts";
import type { ServerLink } from "../../client/servers.ts";
import type { Topology } from "../../cluster/metadata/model.ts";
import { OperationError } from "../../cluster/metadata/operation-error.ts";
import type { TopologySource } from "../../cluster/metadata/topology.ts";
import { requireGroup } from "../../cluster/ring/require.ts";
import { type Clock, sleep } from "../../common/clock.ts";
import { withinDeadline } from "../deadline.ts";
import { relayed, toConnectError } from "../errors.ts";
import { scanAllGroups, watchAllGroups } from "./all-groups.ts";
import { awaitPrimary } from "./primary-wait.ts";
import { mayRepeat, retryMs } from "./repetition.ts";
import { RouterCluster } from "./router-cluster.ts";

/** Scan and Watch of a router: forwarded to the primary of the group that they name, or merged from all groups. */
export function forwardedStreamHandlers(
  source: TopologySource,
  clock: Clock,
  serverAt: (address: string) => ServerLink,
) {
  const cluster = new RouterCluster(source, clock, serverAt);
  return {
    scan(request: ScanRequest, context: HandlerContext) {
      if (request.group === "") return scanAllGroups(cluster, request, context);
      return relaying({
        asked: request.group,
        context,
        open: (server, group) => server.data.scan({ ...request, group }, { signal: context.signal }),
      });
    },
    watch(request: WatchRequest, context: HandlerContext) {
      // A revision is of one group. Callers of a cluster with one group need not name it.
      if (request.group === "" && request.afterRevision === undefined) {
        return watchAllGroups(cluster, request, context);
      }
      return relaying({
        asked: request.group,
        context,
        open: (server, group) => server.data.watch({ ...request, group }, { signal: context.signal }),
      });
    },
  };

  async function* relaying<T>(relay: Relay<T>): AsyncGenerator<T, void, void> {
    try {
      yield* await withinDeadline(relay.context, clock, (signal) => begun(relay, signal));
    } catch (error) {
      throw error instanceof ConnectError ? relayed(error) : toConnectError(error);
    }
  }

  /**
   * The stream, once it has its first answer. Until then nothing has been told, so it is opened again wherever a read would
   * be repeated. `signal` ends that; the first answer itself may take as long as the stream.
   */
  async function begun<T>({ asked, open }: Relay<T>, signal: AbortSignal): Promise<AsyncIterable<T>> {
    const groupIn = (topology: Topology) => groupAsked(topology, asked);
    for (;;) {
      const { group, address } = await awaitPrimary(source, clock, groupIn, signal);
      const answers = open(serverAt(address), group)[Symbol.asyncIterator]();
      try {
        const first = await answers.next();
        return withFirst(first, answers);
      } catch (error) {
        const failure = ConnectError.from(error);
        const again = mayRepeat(failure, classify(failure), "read");
        if (again) await sleep(clock, retryMs, signal);
        if (!again || signal.aborted) throw failure;
      }
    }
  }
}

async function* withFirst<T>(
  first: IteratorResult<T>,
  rest: AsyncIterator<T>,
): AsyncGenerator<T, void, void> {
  try {
    for (let next = first; !next.done; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

interface Relay<T> {
  /** The group that the request names. */
  readonly asked: string;
  readonly context: HandlerContext;
  /** Makes the same call at the primary. */
  readonly open: (server: ServerLink, group: string) => AsyncIterable<T>;
}

/** The group that a request names, or the only group if it names none. Errors: OperationError. */
function groupAsked(topology: Topology, asked: string): string | undefined {
  const names = topology.ring?.value.groups ?? [];
  if (asked === "" && names.length > 1) {
    throw new OperationError(
      "invalid",
      `after_revision is of one group: set group to one of ${names.toSorted().join(", ")}, or give after_token, which is of all`,
    );
  }
  return asked === "" ? names[0] : requireGroup(topology, asked).name;
}
