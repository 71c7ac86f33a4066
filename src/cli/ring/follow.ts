import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { INTERRUPTED } from "../../settings/exit-codes.ts";
import { patiently, silence } from "../patiently.ts";
import { type RingReport, readRing } from "../ring-report.ts";
import { Screen } from "../screen.ts";
import type { Session } from "../session.ts";
import { describe, type Sample } from "../transfer/progress.ts";
import { changeLine, describeChange, describeRequest } from "./describe.ts";

/** Pause between two looks: on a terminal, and elsewhere. */
const terminalEveryMs = 500;
const linesEveryMs = 2000;

/** The rate is measured over this time. */
const rateMs = 10_000;

/**
 * Shows a change of the ring, and those that wait behind it, until they have ended: on a terminal in place, otherwise a line
 * at each step, with `json` a report. Returns the exit code. The change goes on when this is interrupted.
 */
export async function followRing({ ask, interruption }: Session, json: boolean): Promise<number> {
  const { stdout } = process;
  const isTerminal = stdout.isTTY === true && !json;
  const signal = interruption();
  const meter = new Meter();
  const screen = new Screen(isTerminal);
  let told = "";
  let shownId: number | undefined;
  const onSilence = async (silentMs: number) => {
    if (isTerminal) await screen.show(silence(told, silentMs));
  };
  for (;;) {
    const read = await patiently(() => readRing(ask), signal, onSilence);
    if (read === undefined) return INTERRUPTED;
    const { report } = read;
    const { change } = report;
    const text = json
      ? JSON.stringify(report)
      : textOf(report, meter, isTerminal ? stdout.columns || 80 : undefined);
    // Another one may follow at once: one that has waited, or the way back of an aborted one.
    if (shownId !== undefined && shownId !== change?.id && !json)
      await screen.keep(`change ${shownId} is over`);
    shownId = change?.id;
    if (isTerminal || text !== told || change === undefined) await screen.show(text);
    told = text;
    if (change === undefined) return 0;
    await delay(isTerminal ? terminalEveryMs : linesEveryMs, undefined, { signal }).catch(() => {});
  }
}

function textOf(report: RingReport, meter: Meter, columns: number | undefined): string {
  const { change, queue, version } = report;
  if (change === undefined) return `ring version ${version}: nothing changes any more`;
  const progress = describe(meter.add(report), "keys", columns);
  // A line for each step, for logs.
  if (columns === undefined) return `${changeLine(report, change)}; ${progress}`;
  // How fast it goes stands above, measured over the last seconds.
  const lines = [progress, ...describeChange(report, change, false).trimEnd().split("\n")];
  lines.push(...queue.map((request) => `then: ${describeRequest(request)}`));
  return lines.map((line) => cut(line, columns - 1)).join("\n");
}

/** A number that was cut would be read as another one. */
function cut(line: string, lengthMax: number): string {
  return line.length <= lengthMax ? line : `${line.slice(0, lengthMax - 1)}…`;
}

/** Measures how fast a change goes. */
class Meter {
  #change = 0;
  #samples: Sample[] = [];
  /** Most keys that each move was seen to have copied. */
  readonly #keys = new Map<string, number>();

  /** The samples of the last seconds. */
  add({ change }: RingReport): readonly Sample[] {
    const { id = 0, moves = [] } = change ?? {};
    if (id !== this.#change) {
      this.#change = id;
      this.#samples = [];
      this.#keys.clear();
    }
    let done = 0;
    let whole = 0;
    for (const { from, to, share, state, keys = 0, keysTotal = 0 } of moves) {
      const name = `${from} ${to}`;
      this.#keys.set(name, Math.max(keys, this.#keys.get(name) ?? 0));
      whole += share;
      done += share * (state === "done" ? 1 : keysTotal === 0 ? 0 : Math.min(1, keys / keysTotal));
    }
    const count = [...this.#keys.values()].reduce((sum, keys) => sum + keys, 0);
    const now: Sample = { atMs: performance.now(), count, part: whole === 0 ? 1 : done / whole };
    this.#samples.push(now);
    while (now.atMs - (this.#samples[1]?.atMs ?? now.atMs) >= rateMs) this.#samples.shift();
    return this.#samples;
  }
}
