import { percent } from "../cluster-status.ts";
import { counted } from "../plural.ts";
import type {
  ChangeReport,
  GroupReport,
  LookAt,
  MoveReport,
  RequestReport,
  RingReport,
} from "../ring-report.ts";
import { bytes, table } from "../table.ts";
import { clock, grouped } from "../transfer/progress.ts";
import { drawRing, letterOf, painted } from "./picture.ts";

export interface Terminal {
  readonly columns: number;
  readonly colored: boolean;
}

/** All about the ring, with a picture. */
export function describeRing(report: RingReport, lookAt: LookAt, terminal: Terminal): string {
  const { groups, change, queue, warnings } = report;
  const drawn = groups.filter(({ share, place }) => share > 0 || place === "in" || place === "entering");
  const names = drawn.map(({ name }) => name);
  const hasLower = change?.moves.some(({ state }) => state !== "done") ?? false;
  const sections = [
    drawRing({ ...terminal, groups: names, lookAt }) +
      (hasLower ? "lower case: keys that are still to move\n" : ""),
    headline(report),
    colouredTable(report, names, terminal.colored),
  ];
  if (change !== undefined) sections.push(describeChange(report, change, true));
  if (queue.length > 0) sections.push(queue.map((request) => `then: ${describeRequest(request)}\n`).join(""));
  if (warnings.length > 0) sections.push(warnings.map((warning) => `warning: ${warning}\n`).join(""));
  return sections.join("\n");
}

function headline({ version, virtualNodes }: RingReport): string {
  return `ring version ${version}, ${counted(virtualNodes, "virtual node")} a group\n`;
}

const placeWords: Readonly<Record<string, string>> = {
  in: "in the ring",
  entering: "enters",
  leaving: "leaves",
  queued: "waits to enter",
  "kept-outside": "kept outside",
  new: "outside",
};

function colouredTable({ groups, change }: RingReport, drawn: readonly string[], colored: boolean): string {
  const indexes = groups.map(({ name }) => drawn.indexOf(name));
  const rows = groups.map((group, row) => groupRow(group, indexes[row] ?? -1, change !== undefined));
  const head = ["", "GROUP", "POINTS", "SHARE", ...(change ? ["THEN"] : []), "KEYS", "SIZE", "STATE"];
  const [first = "", ...lines] = table(head, rows).split("\n");
  const shown = lines.map((line, row) => {
    const index = indexes[row] ?? -1;
    return index < 0 ? line : painted(line.slice(0, 1), index, colored) + line.slice(1);
  });
  return [first, ...shown].join("\n");
}

function groupRow(group: GroupReport, index: number, isChanging: boolean): string[] {
  const { name, place, points, share, nextShare, keys, bytes: size, unavailable } = group;
  return [
    index < 0 ? "" : letterOf(index),
    name,
    points === 0 ? "-" : String(points),
    percent(share),
    ...(isChanging ? [percent(nextShare)] : []),
    keys === undefined ? "-" : grouped(keys),
    size === undefined ? "-" : bytes(size),
    `${placeWords[place] ?? place}${unavailable ? ", unavailable" : ""}`,
  ];
}

/** The change under way, with each of its moves. `paced`: with rate and time left of the one under way. */
export function describeChange(report: RingReport, change: ChangeReport, paced: boolean): string {
  const rows = change.moves.map((move) => moveRow(move, paced));
  return `${changeLine(report, change)}\n${table(["FROM", "TO", "SHARE", "KEYS", "STATE"], rows)}`;
}

/** The change under way, in one line. */
export function changeLine(report: RingReport, change: ChangeReport): string {
  const { id, paused, rate, moves } = change;
  const ended = moves.filter(({ state }) => state === "done").length;
  const facts = [
    whatChanges(report, change),
    `${ended} of ${counted(moves.length, "move")} done`,
    ...(rate === undefined ? [] : [`at most ${grouped(rate)} keys a second`]),
    ...(paused ? ["paused"] : []),
  ];
  return `change ${id}: ${facts.join("; ")}`;
}

function whatChanges({ groups, virtualNodes }: RingReport, change: ChangeReport): string {
  const facts = groups.flatMap(({ name, place }) =>
    place === "entering" ? [`${name} enters`] : place === "leaving" ? [`${name} leaves`] : [],
  );
  if (change.virtualNodes !== virtualNodes) {
    facts.push(`${virtualNodes} to ${counted(change.virtualNodes, "virtual node")} a group`);
  }
  return facts.join(", ");
}

function moveRow(move: MoveReport, paced: boolean): string[] {
  const { from, to, share, state, keys, keysTotal } = move;
  const of = keysTotal ? ` of ${grouped(Math.max(keysTotal, keys ?? 0))}` : "";
  return [
    from,
    to,
    percent(share),
    keys === undefined ? "-" : `${grouped(keys)}${of}`,
    [state === "waiting" ? "to come" : state, ...paceOf(move).slice(0, paced ? 3 : 1)].join(", "),
  ];
}

/** Percentage, rate and time left, as far as they are known. */
function paceOf({ keys = 0, keysTotal = 0, elapsedMs = 0 }: MoveReport): string[] {
  if (keys === 0 || keysTotal === 0 || elapsedMs === 0) return [];
  const part = Math.min(1, keys / keysTotal);
  const perSecond = (keys / elapsedMs) * 1000;
  const left = Math.max(0, keysTotal - keys) / perSecond;
  return [`${Math.floor(part * 100)} %`, `${grouped(Math.round(perSecond))}/s`, `${clock(left)} left`];
}

/** A change that waits. */
export function describeRequest({ add, drain, virtualNodes, rate }: RequestReport): string {
  const limit = rate === undefined ? "" : `, at most ${grouped(rate)} keys a second`;
  if (add !== undefined) return `${add} enters${limit}`;
  if (drain !== undefined) return `${drain} leaves${limit}`;
  return `${counted(virtualNodes ?? 0, "virtual node")} a group${limit}`;
}
