import type { GroupView, NodeView, Topology } from "../metadata/model.ts";
import { OperationError } from "../metadata/operation-error.ts";
import { noPrimaryReason, primaryOf } from "./placement.ts";

/** The group of this name. Errors: not-found. */
export function requireGroup(topology: Topology | undefined, name: string): GroupView {
  const group = topology?.groups.get(name);
  if (group === undefined) throw new OperationError("not-found", `there is no group ${JSON.stringify(name)}`);
  return group;
}

/** The primary of the group of this name. Errors: unavailable (it has none now; the message says why). */
export function requirePrimary(name: string, group: GroupView | undefined): NodeView {
  const primary = primaryOf(group);
  if (primary === undefined) throw new OperationError("unavailable", noPrimaryReason(name, group));
  return primary;
}

/** The node of a group that is registered with this number. Errors: not-found. */
export function requireNode({ name, nodes }: GroupView, number: number): NodeView {
  const node = nodes.find((candidate) => candidate.number === number);
  if (node === undefined) throw new OperationError("not-found", `group "${name}" has no live node ${number}`);
  return node;
}
