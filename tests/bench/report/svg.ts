import { type Ratio, ratiosOf } from "../ratios.ts";
import type { Result } from "../suite.ts";

const rowHeight = 16;
const [left, width, right, top] = [420, 420, 60, 44];

/** All ratios in one picture, on a scale on which twice and half are equally far from 1. */
export function svgOf(results: readonly Result[]): string {
  const ratios = results.flatMap((result) =>
    ratiosOf(result)
      .filter(({ rounds }) => rounds.length > 0)
      .map((ratio) => ({ ...ratio, name: result.name })),
  );
  const powers = ratios.flatMap(({ rounds }) => rounds.map((value) => Math.log2(value)));
  const least = Math.floor(Math.min(-1, ...powers));
  const most = Math.ceil(Math.max(1, ...powers));
  const x = (value: number) => left + ((Math.log2(value) - least) / (most - least)) * width;
  const height = top + ratios.length * rowHeight + 12;
  const lines = Array.from({ length: most - least + 1 }, (_, index) => {
    const value = 2 ** (least + index);
    const at = x(value).toFixed(1);
    const stroke = value === 1 ? "#333" : "#ddd";
    return (
      `<line x1="${at}" y1="${top - 8}" x2="${at}" y2="${height - 8}" stroke="${stroke}"/>` +
      `<text x="${at}" y="${top - 12}" text-anchor="middle">${Number(value.toPrecision(2))}</text>`
    );
  });
  const rows = ratios.map((ratio, index) => rowOf(ratio, x, top + (index + 0.5) * rowHeight));
  const title = "Ratios of kvlab to others: medians, and the range of all rounds; right of 1 is better";
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${left + width + right} ${height}" font-family="sans-serif" font-size="10">
<rect width="100%" height="100%" fill="#fff"/>
<text x="8" y="14" font-size="12">${title}</text>
${[...lines, ...rows].join("\n")}
</svg>
`;
}

function rowOf(ratio: Ratio & { readonly name: string }, x: (value: number) => number, y: number): string {
  const color = ratio.median >= 1 ? "#2a7f3f" : "#b5432e";
  const [from, to, middle] = [Math.min(...ratio.rounds), Math.max(...ratio.rounds), ratio.median].map(
    (value) => x(value).toFixed(1),
  );
  return (
    `<text x="${left - 8}" y="${y + 3}" text-anchor="end">${escaped(`${ratio.name}  ${ratio.ours} : ${ratio.theirs}`)}</text>` +
    `<line x1="${from}" y1="${y}" x2="${to}" y2="${y}" stroke="${color}" stroke-width="2"/>` +
    `<circle cx="${middle}" cy="${y}" r="3.5" fill="${color}"/>` +
    `<text x="${left + width + 8}" y="${y + 3}">${ratio.median.toFixed(2)}</text>`
  );
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
