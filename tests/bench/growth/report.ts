import { tableOf } from "../statistics.ts";
import { bytesPerKey, figuresOf, type Growth, memoryBytesIn } from "./growth.ts";
import { works } from "./work.ts";

const head = [
  ...["keys", "log MB", "open s", "by index", "catch-up s", "MB/s", "memory MB", "B/key"],
  ...works.flatMap((work) => [`${work}/s`, "CPU µs", "ratio"]),
  ...["compaction s", "slowest put ms", "before"],
];

/** A row a size, the smallest first. */
export function reportOf(growths: readonly Growth[]): string {
  return tableOf(
    head,
    growths.map((growth) => rowOf(growth, growths[0] ?? growth)),
  );
}

function rowOf(growth: Growth, smallest: Growth): string[] {
  const { keys, logBytes, openingSeconds, catchUpSeconds, compaction } = growth;
  return [
    `${keys}`,
    fixed(logBytes / 1e6, 1),
    ...[openingSeconds.log, openingSeconds.index, catchUpSeconds].map((seconds) => fixed(seconds, 2)),
    ...[logBytes / 1e6 / catchUpSeconds, memoryBytesIn(growth) / 1e6, bytesPerKey(growth, smallest)].map(
      (figure) => fixed(figure, 0),
    ),
    ...works.flatMap((work) => {
      const { perSecond, cpuMicros, ratio } = figuresOf(growth.works[work], smallest.works[work]);
      return [fixed(perSecond, 0), fixed(cpuMicros, 1), fixed(ratio, 2)];
    }),
    fixed(compaction?.seconds, 2),
    fixed(compaction?.slowestMs, 1),
    fixed(compaction?.slowestBeforeMs, 1),
  ];
}

/** Nothing where there is no figure. */
function fixed(figure: number | undefined, digits: number): string {
  return figure === undefined || Number.isNaN(figure) ? "" : figure.toFixed(digits);
}
