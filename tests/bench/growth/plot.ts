import { figuresOf, type Growth, memoryBytesIn } from "./growth.ts";
import { works } from "./work.ts";

interface Line {
  readonly name: string;
  /** Of each size, in the same order. */
  readonly figures: readonly number[];
}

const [width, height, left, top, gap] = [230, 190, 56, 52, 96];
const colors = ["#2a5f9e", "#2a7f3f", "#b5432e"];

/** How the store grows: cost of an operation, memory and times, over the number of keys. All axes are logarithmic. */
export function plotOf(growths: readonly Growth[]): string {
  const keys = growths.map((growth) => growth.keys);
  const line = (name: string, figureOf: (growth: Growth) => number): Line => ({
    name,
    figures: growths.map(figureOf),
  });
  const costs = works.map((work) =>
    line(work, (growth) => figuresOf(growth.works[work], growths[0]?.works[work] ?? []).ratio),
  );
  const panels = [
    panel("CPU time of an operation, smallest = 1", keys, costs),
    panel("Memory of the primary, MB", keys, [line("resident", (growth) => memoryBytesIn(growth) / 1e6)]),
    panel("Seconds", keys, [
      line("opening by log", ({ openingSeconds }) => openingSeconds.log),
      line("opening by index", ({ openingSeconds }) => openingSeconds.index),
      line("catch-up", ({ catchUpSeconds }) => catchUpSeconds),
    ]),
  ];
  const placed = panels.map(
    (content, index) => `<g transform="translate(${left + index * (width + gap)} ${top})">\n${content}\n</g>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${panels.length * (width + gap)} ${top + height + 40}" font-family="sans-serif" font-size="10">
<title>What a store costs, over its number of keys</title>
<rect width="100%" height="100%" fill="#fff"/>
${placed.join("\n")}
</svg>
`;
}

function panel(title: string, keys: readonly number[], lines: readonly Line[]): string {
  const xs = scale(keys, [0, width]);
  const ys = scale(
    lines.flatMap(({ figures }) => figures),
    [height, 0],
  );
  const grid = [
    ...ys.ticks.map((value) => {
      const y = ys.at(value);
      return (
        `<line x1="0" y1="${y}" x2="${width}" y2="${y}" stroke="${value === 1 ? "#333" : "#ddd"}"/>` +
        `<text x="-6" y="${y + 3}" text-anchor="end">${value}</text>`
      );
    }),
    ...keys.map((count) => {
      return `<text x="${xs.at(count)}" y="${height + 16}" text-anchor="middle">${count.toLocaleString("en")}</text>`;
    }),
    `<text x="${width / 2}" y="${height + 32}" text-anchor="middle">keys</text>`,
  ];
  const drawn = lines.map(({ name, figures }, index) => {
    const color = colors[index] ?? "#333";
    const points = figures.map((figure, size) => [xs.at(keys[size] ?? 1), ys.at(figure)] as const);
    const dots = points.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="3" fill="${color}"/>`);
    return (
      `<polyline points="${points.map((point) => point.join(",")).join(" ")}" fill="none" stroke="${color}"/>` +
      `${dots.join("")}<text x="${index * 84}" y="-12" fill="${color}">${name}</text>`
    );
  });
  return [`<text x="0" y="-30" font-size="12">${title}</text>`, ...grid, ...drawn].join("\n");
}

/** 1, 2 and 5 of each power of ten. */
const steps = Array.from({ length: 17 }, (_, index) => index - 5).flatMap((power) =>
  [1, 2, 5].map((digit) => Number(`${digit}e${power}`)),
);

/** A logarithmic axis, between the steps around all `values`; `at` is where a value stands. */
function scale(values: readonly number[], [from, to]: readonly [number, number]) {
  const least = steps.findLast((step) => step <= Math.min(...values)) ?? 1;
  const most = steps.find((step) => step >= Math.max(...values) && step > least) ?? least * 10;
  return {
    ticks: steps.filter((step) => step >= least && step <= most),
    at: (value: number) =>
      Number((from + (Math.log(value / least) / Math.log(most / least)) * (to - from)).toFixed(1)),
  };
}
