import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { DataService, type WatchRequestSchema, type WatchResponse } from "../../gen/kvlab/v1/data_pb.ts";
import { forwardedStreamHandlers } from "../../src/rpc/forwarding/forwarded-streams.ts";
import { ToyGroups } from "./toy-groups.ts";
import { ToyLog } from "./toy-log.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** A router without groups. */
export function started() {
  const clock = new VirtualClock();
  const groups = new ToyGroups(clock);
  return { clock, groups, router: routerOf(groups, clock) };
}

/** A router of these groups, as its callers see it. */
export function routerOf(groups: ToyGroups, clock: VirtualClock) {
  const handlers = forwardedStreamHandlers(groups, clock, groups.serverAt);
  const client = createClient(
    DataService,
    createRouterTransport(({ service }) => service(DataService, handlers)),
  );
  return {
    scan: client.scan,
    watch(request: MessageInitShape<typeof WatchRequestSchema> = {}) {
      const leaving = new AbortController();
      const answers = client.watch(request, { signal: leaving.signal })[Symbol.asyncIterator]();
      const next = async (): Promise<WatchResponse> => {
        const { value, done } = await clock.settled(answers.next());
        return done ? assert.fail("the watch has ended") : value;
      };
      return {
        next,
        leave: () => leaving.abort(),
        /** The next answer with events. */
        async events(): Promise<WatchResponse> {
          for (;;) {
            const answer = await next();
            if (answer.events.length > 0) return answer;
          }
        },
        failure: () =>
          clock.settled(answers.next()).then(
            () => assert.fail("it was answered"),
            (error) => ConnectError.from(error),
          ),
      };
    },
  };
}

/** A router of group g, whose log ends at revision 10, and group h, whose log ends at 20. */
export function twoLogs() {
  const all = started();
  const [g, h] = [new ToyLog(10n), new ToyLog(20n)];
  Object.assign(all.groups.primaries, { g, h });
  all.groups.ring(1, ["g", "h"]);
  return { ...all, g, h };
}
