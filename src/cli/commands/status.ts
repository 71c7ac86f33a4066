import { UNAVAILABLE } from "../../settings/exit-codes.ts";
import { print } from "../../settings/run-main.ts";
import { type ClusterStatus, type GroupStatus, percent, readClusterStatus } from "../cluster-status.ts";
import { routerCommand } from "../command.ts";
import { counted } from "../plural.ts";
import { jsonSetting } from "../router-settings.ts";
import { bytes, table } from "../table.ts";

export const statusCommand = routerCommand(
  {
    command: "kvlab status",
    summary:
      "Shows routers, groups, their nodes and the ring. Warns of everything that needs attention. Exit code 3 when a group is down.",
    settings: { json: jsonSetting },
    examples: ["kvlab status", "kvlab status --json"],
  },
  async ({ json }, { ask }) => {
    const status = await readClusterStatus(ask);
    await print(json ? `${JSON.stringify(status)}\n` : describeStatus(status));
    return status.groups.some(({ unavailable }) => unavailable !== undefined) ? UNAVAILABLE : 0;
  },
);

function describeStatus(status: ClusterStatus): string {
  const routers = status.routers.map(({ number, address, master }) => [
    String(number),
    address,
    master ? "master" : "",
  ]);
  const sections = [
    table(["ROUTER", "ADDRESS", ""], routers),
    table(
      ["GROUP", "SHARE", "EPOCH", "KEYS", "LOG", "NODE", "ADDRESS", "ROLE", "IN SYNC", "LAG", "STATE"],
      status.groups.flatMap(groupRows),
    ),
    ringLines(status),
  ];
  if (status.warnings.length > 0) {
    sections.push(status.warnings.map((warning) => `warning: ${warning}\n`).join(""));
  }
  return sections.join("\n");
}

function ringLines({ cluster, ringVersion, virtualNodes, ringChange }: ClusterStatus): string {
  const change = ringChange === undefined ? "" : `; change ${ringChange} is under way, see \`kvlab ring\``;
  const ring = `ring version ${ringVersion}, ${counted(virtualNodes, "virtual node")} a group${change}\n`;
  // A router of an earlier version does not report it.
  return cluster === "" ? ring : `cluster ${cluster}\n${ring}`;
}

/** One line per node. The first also has the columns of the group. */
function groupRows(group: GroupStatus): string[][] {
  const facts = [
    group.name,
    group.waiting && group.share === 0 ? "waiting" : percent(group.share),
    String(group.epoch),
    group.keys === undefined ? "-" : String(group.keys),
    group.logBytes === undefined ? "-" : bytes(group.logBytes),
  ];
  if (group.nodes.length === 0) return [[...facts, "-", "none live", "", "", "", ""]];
  return group.nodes.map(({ number, address, role, inSync, lag, state, snapshotPercent }, index) => [
    ...(index === 0 ? facts : facts.map(() => "")),
    String(number),
    address,
    role,
    inSync ? "yes" : "no",
    lag === undefined ? "-" : String(lag),
    snapshotPercent === undefined ? (state ?? "-") : `${state} ${snapshotPercent} %`,
  ]);
}
