import type { AgentReport, AgentsReport } from "../agent-report.ts";
import { counted } from "../plural.ts";
import { bytes, table } from "../table.ts";
import { fieldOf } from "../value-forms.ts";
import type { Departed } from "./departures.ts";

const head = [
  ...["ROLE", "NAME", "ADDRESS", "CPUS", "CPU", "LOAD", "MEMORY", "OF", "PROCESS", "DISK", "OF", "UP"],
  // A narrow terminal shows the beginning.
  ...["HOST", "RUNTIME", "VERSION"],
];

/** The agents as a table, with what is wrong below it. `nowMs` is the time of this machine's clock. */
export function describeAgents({ agents, omitted }: AgentsReport, nowMs: number): string {
  const sorted = [...agents].sort((a, b) => compare(sortKey(a), sortKey(b)));
  const lines = [
    agents.length === 0
      ? "no agent is registered\n"
      : table(
          head,
          sorted.map((agent) => row(agent, nowMs)),
        ),
  ];
  for (const { znode, problem } of sorted) {
    if (problem !== undefined) lines.push(`warning: ${fieldOf(znode)}: ${fieldOf(problem)}\n`);
  }
  if (omitted > 0) lines.push(`warning: ${counted(omitted, "more agent")} not shown\n`);
  return lines.join("");
}

/** Those that have gone, with the time since then. Empty if there are none. */
export function describeDeparted(departed: readonly Departed[]): string {
  if (departed.length === 0) return "";
  const rows = departed.map(({ agent, offlineMs }) => [...whoIs(agent), span(offlineMs), cell(agent.host)]);
  return table(["OFFLINE", "NAME", "ADDRESS", "FOR", "HOST"], rows);
}

/** Role, name and address of an agent. */
export function whoIs({ role, name, address, serverIp }: AgentReport): string[] {
  return [role, name, address ?? serverIp].map(cell);
}

/** With nothing that could control a terminal. */
function cell(field: string | undefined): string {
  return field === undefined ? "-" : fieldOf(field);
}

function row(agent: AgentReport, nowMs: number): string[] {
  const { totalCpu, cpuUsage, loadAverages, totalMemory, totalMemoryDesc, memoryUsage } = agent;
  const startedMs = agent.startedAt === undefined ? Number.NaN : Date.parse(agent.startedAt);
  const cells = [
    totalCpu?.toString(),
    cpuUsage === undefined ? undefined : `${Math.round(cpuUsage)} %`,
    loadAverages?.[0]?.toFixed(1),
    memoryUsage === undefined ? undefined : memory(memoryUsage, totalMemory),
    totalMemory === undefined ? totalMemoryDesc : bytes(totalMemory),
    agent.processMemory === undefined ? undefined : bytes(agent.processMemory),
    agent.diskUsed === undefined ? undefined : bytes(agent.diskUsed),
    agent.diskTotal === undefined ? undefined : bytes(agent.diskTotal),
    // Clocks of machines differ.
    Number.isNaN(startedMs) ? undefined : span(Math.max(0, nowMs - startedMs)),
    agent.host,
    agent.runtime === undefined ? undefined : `${agent.runtime} ${agent.runtimeVersion ?? ""}`.trim(),
    agent.version,
  ];
  return [...whoIs(agent), ...cells.map(cell)];
}

/** An agent of another program may report a percentage. Nobody has at most 100 bytes in use. */
function memory(used: number, total: number | undefined): string {
  return used <= 100 && (total ?? 0) > 100 ? `${used} %` : bytes(used);
}

/** Time in its two largest units, as `2 d 3 h`. */
export function span(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const [minutes, hours, days] = [60, 3600, 86_400].map((unit) => Math.floor(seconds / unit));
  if (days) return `${days} d ${(hours ?? 0) % 24} h`;
  if (hours) return `${hours} h ${(minutes ?? 0) % 60} min`;
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

function sortKey({ role = "", name = "", address = "", serverIp = "", znode }: AgentReport): string[] {
  return [role, name, address, serverIp, znode];
}

function compare(a: readonly string[], b: readonly string[]): number {
  const at = a.findIndex((part, index) => part !== b[index]);
  return at < 0 ? 0 : (a[at] ?? "") < (b[at] ?? "") ? -1 : 1;
}
