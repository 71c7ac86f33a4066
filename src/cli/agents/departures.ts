import type { AgentReport } from "../agent-report.ts";

/** An agent that was there and has gone. */
export interface Departed {
  readonly agent: AgentReport;
  /** Time since it was first missed. */
  readonly offlineMs: number;
}

/** What has changed between two looks. */
export interface AgentChange {
  readonly event: "online" | "offline";
  readonly agent: AgentReport;
  /** How long it was away. Absent if it was not. */
  readonly awayMs?: number;
}

/** Most agents that have gone and are remembered. The oldest are forgotten. */
const departedMax = 1000;

/** Notices which agents come and go from one look to the next. */
export class Departures {
  /** By id. */
  #online: ReadonlyMap<string, AgentReport> = new Map();
  /** By place, the longest away first. */
  readonly #departed = new Map<string, { readonly agent: AgentReport; readonly sinceMs: number }>();

  /** Those that have gone, the longest away first. `nowMs` is monotonic, as in `look`. */
  departed(nowMs: number): Departed[] {
    return [...this.#departed.values()].map(({ agent, sinceMs }) => ({ agent, offlineMs: nowMs - sinceMs }));
  }

  /** Takes note of who is there now, and returns who has come or gone since the last look, the gone first. */
  look(agents: readonly AgentReport[], nowMs: number): AgentChange[] {
    const before = this.#online;
    this.#online = new Map(agents.map((agent) => [agent.id ?? agent.znode, agent]));
    const changes: AgentChange[] = [];
    for (const [id, agent] of before) {
      if (this.#online.has(id)) continue;
      changes.push({ event: "offline", agent });
      this.#departed.set(placeOf(agent), { agent, sinceMs: nowMs });
    }
    for (const [id, agent] of this.#online) {
      const away = this.#departed.get(placeOf(agent));
      this.#departed.delete(placeOf(agent));
      if (before.has(id)) continue;
      changes.push({ event: "online", agent, ...(away && { awayMs: nowMs - away.sinceMs }) });
    }
    for (const place of this.#departed.keys()) {
      if (this.#departed.size <= departedMax) break;
      this.#departed.delete(place);
    }
    return changes;
  }
}

/** The same for a server before and after a restart. */
function placeOf({ role, name, address, serverIp, host }: AgentReport): string {
  return JSON.stringify([role, name, address ?? serverIp, host]);
}
