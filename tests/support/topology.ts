import type { Topology } from "../../src/cluster/metadata/model.ts";
import { SessionKeeper } from "../../src/cluster/metadata/session-keeper.ts";
import { WatchedTopology } from "../../src/cluster/metadata/topology.ts";
import type { OpenSession } from "../../src/coordination/coordination.ts";
import type { Members } from "./members.ts";

/** A process that does nothing but watch the topology; `seen` is all that it was told. */
export function watch(members: Members, open: OpenSession = members.service.opener()) {
  const { clock } = members;
  const diagnostics: string[] = [];
  const seen: Topology[] = [];
  const onDiagnostic = (message: string) => diagnostics.push(message);
  const sessions = new SessionKeeper({ open, clock, onDiagnostic });
  const source = new WatchedTopology({ sessions, clock, onDiagnostic });
  source.onChange((topology) => seen.push(topology));
  return { sessions, source, seen, diagnostics };
}

/** What a topology says, as plain as the znodes: addresses by number, and the states. */
export function plain(topology: Topology | undefined) {
  const addresses = (nodes: readonly { number: number; address: string }[] = []) =>
    Object.fromEntries(nodes.map(({ number, address }) => [number, address]));
  const groups = [...(topology?.groups.values() ?? [])].map(({ name, nodes, state }) => [
    name,
    { nodes: addresses(nodes), epoch: state?.value.epoch },
  ]);
  return {
    stale: topology?.staleSinceMs !== undefined,
    routers: addresses(topology?.routers),
    groups: Object.fromEntries(groups),
    ring: topology?.ring?.value.version,
  };
}
