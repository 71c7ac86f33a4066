import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { print } from "../../settings/run-main.ts";
import { readAgents } from "../agent-report.ts";
import { patiently, silence } from "../patiently.ts";
import { Screen } from "../screen.ts";
import type { Session } from "../session.ts";
import { type AgentChange, Departures } from "./departures.ts";
import { describeAgents, describeDeparted, span, whoIs } from "./describe.ts";

/** Pause between two looks. A router answers from memory while nothing has changed. */
const everyMs = 1000;

/**
 * Shows the agents until it is interrupted: on a terminal in place, with those that have gone; otherwise a line for each
 * that comes or goes, with `json` as an object. Returns the exit code.
 */
export async function followAgents({ ask, interruption }: Session, json: boolean): Promise<number> {
  const isTerminal = process.stdout.isTTY === true && !json;
  const signal = interruption();
  const screen = new Screen(isTerminal);
  const departures = new Departures();
  let shown = "";
  const onSilence = async (silentMs: number) => {
    if (isTerminal) await screen.show(cut(silence(shown, silentMs)));
  };
  while (!signal.aborted) {
    const report = await patiently(() => readAgents(ask), signal, onSilence);
    if (report === undefined) break;
    const nowMs = performance.now();
    const changes = departures.look(report.agents, nowMs);
    if (isTerminal) {
      const departed = departures.departed(nowMs);
      const parts = [describeAgents(report, Date.now()), describeDeparted(departed)];
      shown = parts.filter((part) => part !== "").join("\n");
      await screen.show(cut(shown));
    } else {
      for (const change of changes) await print(json ? `${JSON.stringify(change)}\n` : lineOf(change));
    }
    await delay(everyMs, undefined, { signal }).catch(() => {});
  }
  return 0;
}

/** Tab-separated, as `kvlab watch` prints changes. */
function lineOf({ event, agent, awayMs }: AgentChange): string {
  const fields = [event, ...whoIs(agent)];
  if (awayMs !== undefined) fields.push(`back after ${span(awayMs)}`);
  return `${fields.join("\t")}\n`;
}

/** To the width of the terminal: a line that wraps could not be replaced. */
function cut(text: string): string {
  const columns = process.stdout.columns || 80;
  const lines = text.trimEnd().split("\n");
  return lines.map((line) => line.slice(0, columns - 1)).join("\n");
}
