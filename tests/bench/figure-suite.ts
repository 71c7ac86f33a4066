import { failed } from "./load-suite.ts";
import { type FigureSide, measureFigure } from "./measure.ts";
import type { ProgramName } from "./peers/peer.ts";
import type { FigureResult, MeasureOptions, Suite } from "./suite.ts";

export interface FigureSuite extends Pick<FigureResult, "name" | "unit" | "pairs"> {
  readonly needs: readonly ProgramName[];
  /** For figures that take minutes, and vary little. */
  readonly roundsMax?: number;
  open(options: MeasureOptions): Promise<{ readonly sides: readonly FigureSide[]; close(): Promise<void> }>;
}

/** A suite of one figure. */
export function figureSuite({ name, unit, pairs, needs, roundsMax, open }: FigureSuite): Suite {
  return {
    name,
    needs,
    names: [name],
    async *run(_, given) {
      const options = { ...given, rounds: Math.min(given.rounds, roundsMax ?? given.rounds) };
      options.progress(`${name}: begins`);
      const { sides, close } = await open(options);
      try {
        yield await measureFigure({ name, unit, pairs }, sides, options).catch((error) =>
          failed(name, error),
        );
      } finally {
        await close();
      }
    },
  };
}
