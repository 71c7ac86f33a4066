import type { LookAt } from "../ring-report.ts";

export interface PictureOptions {
  /** The groups in the order of their letters. */
  readonly groups: readonly string[];
  readonly lookAt: LookAt;
  /** Of the terminal. */
  readonly columns: number;
  readonly colored: boolean;
}

/** Radius in lines. A larger ring shows no more that can be told apart; a smaller one is no ring. */
const radiusMax = 8;
const radiusMin = 4;

/** A character of a terminal is about twice as high as wide. */
const columnsPerLine = 2;

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** Of more groups than letters, the others share this one. */
const otherLetter = "#";

/** Foreground colours of ANSI terminals: red, green, yellow, blue, magenta, cyan, and the same bright. */
const colors = [31, 32, 33, 34, 35, 36, 91, 92, 93, 94, 95, 96];

/** The letter that stands for the group at this place of the list. */
export function letterOf(index: number): string {
  return letters[index] ?? otherLetter;
}

export function painted(text: string, index: number, colored: boolean): string {
  return colored ? `\u001b[${colors[index % colors.length]}m${text}\u001b[0m` : text;
}

/**
 * The ring, clockwise from the lowest hash at the top: at each place the letter of the group that has the keys there, in
 * lower case where they are still to move. On a narrow terminal it is a line. Each place shows one point of its part of
 * the ring: so groups have as many places as their shares, also where parts are smaller than a place.
 */
export function drawRing(options: PictureOptions): string {
  const { columns } = options;
  const radius = Math.min(radiusMax, Math.floor((columns - 1) / (2 * columnsPerLine)));
  return radius < radiusMin ? drawLine(options) : drawCircle(options, radius);
}

function drawCircle(options: PictureOptions, radius: number): string {
  const lines: string[] = [];
  for (let y = -radius; y <= radius; y++) {
    let line = "";
    for (let column = -radius * columnsPerLine; column <= radius * columnsPerLine; column++) {
      const x = column / columnsPerLine;
      const isOnRing = Math.abs(Math.hypot(x, y) - radius) <= 0.5;
      line += isOnRing ? placeShown(options, turn(x, y)) : " ";
    }
    lines.push(`${line.trimEnd()}\n`);
  }
  return lines.join("");
}

/** How far a direction is round the ring, from 0 to 1, clockwise from the top. */
function turn(x: number, y: number): number {
  const part = Math.atan2(x, -y) / (2 * Math.PI);
  return part < 0 ? part + 1 : part;
}

function drawLine(options: PictureOptions): string {
  const places = Math.max(1, options.columns - 1);
  const shown = Array.from({ length: places }, (_, index) => placeShown(options, (index + 0.5) / places));
  return `${shown.join("")}\n`;
}

function placeShown({ groups, lookAt, colored }: PictureOptions, place: number): string {
  const found = lookAt(place);
  if (found === undefined) return ".";
  const index = groups.indexOf(found.owner);
  const letter = letterOf(index);
  return painted(found.to === undefined ? letter : letter.toLowerCase(), index, colored);
}
