import type { Call } from "./history.ts";
import type { Violation } from "./linearizability.ts";
import type { Model } from "./model.ts";

/** How many calls are shown of the end of an order. */
const orderMax = 6;
/** How many calls are shown on each side of one that matters. */
const aroundMax = 3;

/** Says in lines of text what cannot be, how far there is an order, and what went on meanwhile. */
export function describeViolation<State, Operation>(
  model: Model<State, Operation>,
  { parts, calls, conflict, before }: Violation<State, Operation>,
): string[] {
  const line = (call: Call<Operation>) =>
    `${span(call)}  client ${call.client}  ${model.describe(call.operation)}`;
  const indented = (call: Call<Operation>) => `  ${line(call)}`;
  const marked = new Set(conflict);
  const lines = [
    `not linearizable: ${parts.map((part) => JSON.stringify(part)).join(", ")}`,
    "",
    "Together these cannot be, whatever the other calls did:",
    ...conflict.map(indented),
    "",
  ];
  if (before !== undefined) {
    lines.push(
      `All that returned before the last of them has an order, of ${before.order.length} of ${calls.length} calls:`,
      ...(before.order.length > orderMax ? ["  ..."] : []),
      ...before.order.slice(-orderMax).map(indented),
      `which leaves ${model.describeState(before.state)}.`,
      "",
    );
  }
  lines.push("Around them, in the order in which they were sent:");
  for (const call of around(calls, marked)) {
    lines.push(call === undefined ? "  ..." : `${marked.has(call) ? ">" : " "} ${line(call)}`);
  }
  return lines;
}

/** The marked calls and their neighbours, in the order in which they were sent; undefined where some are left out. */
function around<Operation>(
  calls: readonly Call<Operation>[],
  marked: ReadonlySet<Call<Operation>>,
): (Call<Operation> | undefined)[] {
  const sent = calls.toSorted((a, b) => a.called - b.called);
  const isNear = sent.map((_, index) =>
    sent.slice(Math.max(0, index - aroundMax), index + aroundMax + 1).some((call) => marked.has(call)),
  );
  return sent.flatMap((call, index) => {
    if (isNear[index]) return [call];
    return isNear[index - 1] ? [undefined] : [];
  });
}

function span({ called, returned }: Call<unknown>): string {
  const [from, to] = [called, returned].map((time) =>
    (time === undefined ? "?" : time.toFixed(3)).padStart(11),
  );
  return `${from} ${to}`;
}
