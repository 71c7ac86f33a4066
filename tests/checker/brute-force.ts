import type { Call, History } from "./history.ts";
import type { KeyOperation } from "./key-value-model.ts";

/** One key, with nothing left open. */
interface Register {
  readonly value: string | undefined;
  readonly revision: number;
}

/**
 * Whether a history of one key is linearizable, by trying all orders of all choices of the calls that are of unknown
 * outcome, and all revisions for them. For a few calls. It shares nothing with the checker but the types.
 */
export function isLinearizable(history: History<KeyOperation>): boolean {
  const revisions = history.map(({ operation: { result } }) =>
    typeof result === "object" ? result.revision : 0,
  );
  return canComplete(history, { value: undefined, revision: 0 }, Math.max(0, ...revisions) + history.length);
}

function canComplete(left: History<KeyOperation>, register: Register, revisionMax: number): boolean {
  if (left.every(({ returned }) => returned === undefined)) return true;
  return left.some((call) => {
    if (left.some(({ returned }) => returned !== undefined && returned < call.called)) return false;
    const others = left.filter((other) => other !== call);
    return effects(call, register, revisionMax).some((after) => canComplete(others, after, revisionMax));
  });
}

/** Every register that the call can leave behind with the answer that it had. */
function effects({ operation }: Call<KeyOperation>, register: Register, revisionMax: number): Register[] {
  const { kind, result } = operation;
  const exists = register.value !== undefined;
  if (result === "not-found") return exists ? [] : [register];
  if (kind === "get") {
    const same = result?.value === register.value && result?.revision === register.revision;
    return result === undefined || same ? [register] : [];
  }
  if (kind === "delete" && !exists) return result === undefined ? [register] : [];
  const value = kind === "put" ? operation.value : undefined;
  const registers: Register[] = [];
  for (let revision = register.revision + 1; revision <= revisionMax; revision++) {
    if (result === undefined || result.revision === revision) registers.push({ value, revision });
  }
  return registers;
}
