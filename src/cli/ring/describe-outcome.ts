import { percent } from "../cluster-status.ts";
import { counted } from "../plural.ts";
import type { RequestReport } from "../ring-report.ts";
import type { AbortOutcome, ChangeOutcome, PaceOutcome, WithdrawalOutcome } from "../ring-requests.ts";
import { bytes, table } from "../table.ts";
import { grouped } from "../transfer/progress.ts";
import { describeRequest } from "./describe.ts";

/** What has become of a request, or would with a dry run. */
export function describeOutcome({ outcome, change, ahead, moves }: ChangeOutcome, dryRun: boolean): string {
  const [verb, be] = dryRun ? ["would ", "be "] : ["", ""];
  switch (outcome) {
    case "done":
      return dryRun
        ? "the ring would be changed at once: no keys have to move\n"
        : "done: no keys had to move\n";
    case "withdrawn":
      return `the group ${dryRun ? "would no longer wait" : "no longer waits"} to enter\n`;
    case "queued":
      return `it ${verb}${dryRun ? "wait" : "waits"} for ${counted(ahead, "other change")}; then keys move:\n${plan(moves)}`;
    default:
      return dryRun
        ? `keys ${verb}${be}moved:\n${plan(moves)}`
        : `change ${change} has begun; \`kvlab ring --watch\` shows how it goes\n${plan(moves)}`;
  }
}

function plan(moves: ChangeOutcome["moves"]): string {
  const isCounted = moves.every(({ keys }) => keys !== undefined);
  const rows = moves.map(({ from, to, share, keys = 0, bytes: size = 0 }) => [
    from,
    to,
    percent(share),
    ...(isCounted ? [grouped(keys), bytes(size)] : []),
  ]);
  if (isCounted && moves.length > 1) {
    const sum = (of: (move: ChangeOutcome["moves"][number]) => number) =>
      moves.reduce((total, move) => total + of(move), 0);
    rows.push([
      "all",
      "",
      percent(sum(({ share }) => share)),
      grouped(sum(({ keys = 0 }) => keys)),
      bytes(sum(({ bytes: size = 0 }) => size)),
    ]);
  }
  return table(["FROM", "TO", "SHARE", ...(isCounted ? ["KEYS", "SIZE"] : [])], rows);
}

export function describePace({ change, paused, rate }: PaceOutcome): string {
  const limit = rate === undefined ? "" : `, at most ${rate} keys a second`;
  return `change ${change} ${paused ? "is paused" : `goes on${limit}`}\n`;
}

/** What an abort does, and what it leaves standing. */
export function describeAbort({ aborted, change, begun, queue }: AbortOutcome): string {
  const back = change === undefined ? "nothing had moved" : `what has moved goes back with change ${change}`;
  const next = begun === undefined ? "" : `change ${begun}, which waited, has begun\n`;
  return `change ${aborted} is aborted: ${back}\n${next}${waiting(queue)}`;
}

export function describeWithdrawal({ withdrawn, queue }: WithdrawalOutcome): string {
  const gone = withdrawn.map((request) => `withdrawn: ${describeRequest(request)}\n`);
  return gone.join("") + waiting(queue);
}

function waiting(queue: readonly RequestReport[]): string {
  if (queue.length === 0) return "";
  const then = queue.map((request) => `then: ${describeRequest(request)}\n`);
  return `${then.join("")}\`kvlab ring withdraw\` drops what waits\n`;
}
