import process from "node:process";

/** The progress of a command. */
export interface Stand {
  /** Lines or keys so far, in this run. */
  readonly count: number;
  /** Done fraction of the whole, from 0 to 1. Undefined when the whole is not known. */
  readonly part: number | undefined;
}

export interface Progress {
  /** Shows the progress for the last time. */
  end(): void;
}

/** The rate is measured over this time, so that it follows changes and does not flicker. */
const rateMs = 10_000;

const barEveryMs = 200;
const linesEveryMs = 5_000;

export interface Sample extends Stand {
  readonly atMs: number;
}

/**
 * Shows progress on standard error: a bar on a terminal, otherwise a line every few seconds, and nothing when `quiet`.
 */
export function showProgress(unit: string, quiet: boolean, look: () => Stand): Progress {
  if (quiet) return { end: () => {} };
  const { stderr } = process;
  const isTerminal = stderr.isTTY === true;
  const samples: Sample[] = [{ atMs: performance.now(), ...look() }];
  const show = (isLast = false) => {
    const now = { atMs: performance.now(), ...look() };
    samples.push(now);
    const line = describe(samples, unit, isTerminal ? stderr.columns || 80 : undefined);
    while (now.atMs - (samples[1]?.atMs ?? now.atMs) >= rateMs) samples.shift();
    stderr.write(isTerminal ? `\r\u001b[K${line}${isLast ? "\n" : ""}` : `${line}\n`);
  };
  const timer = setInterval(show, isTerminal ? barEveryMs : linesEveryMs);
  return {
    end() {
      clearInterval(timer);
      if (isTerminal) show(true);
    },
  };
}

/** One line, cut to `columns`. It has a bar when there is room and the whole is known. */
export function describe(samples: readonly Sample[], unit: string, columns?: number): string {
  const [first] = samples;
  const last = samples.at(-1);
  if (first === undefined || last === undefined) return "";
  const seconds = Math.max((last.atMs - first.atMs) / 1_000, 0.001);
  const facts = [
    `${grouped(last.count)} ${unit}`,
    `${grouped(Math.round((last.count - first.count) / seconds))}/s`,
  ];
  if (last.part === undefined) return facts.join("  ");
  const partPerSecond = (last.part - (first.part ?? 0)) / seconds;
  const leftSeconds = last.part >= 1 ? 0 : (1 - last.part) / partPerSecond;
  facts.unshift(`${Math.floor(last.part * 100)} %`.padStart(5));
  facts.push(`${clock(leftSeconds)} left`);
  const text = facts.join("  ");
  const room = Math.min((columns ?? 0) - text.length - 4, 40);
  if (room < 10) return columns === undefined ? text.trimStart() : text.slice(0, columns - 1);
  const filled = Math.round(last.part * room);
  return `[${"#".repeat(filled)}${"-".repeat(room - filled)}] ${text}`;
}

/** A count in readable form. */
export function grouped(count: number): string {
  return count.toLocaleString("en-US");
}

/** A time in minutes and seconds, or in hours. */
export function clock(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds > 360_000) return "--:--";
  const whole = Math.ceil(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] === 0 ? parts.slice(1) : parts;
  return shown.map((part, index) => (index === 0 ? String(part) : String(part).padStart(2, "0"))).join(":");
}
