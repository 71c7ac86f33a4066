import { compareKeys } from "../../../common/key-order.ts";
import type { KeyRange } from "../key-view.ts";

/** A range as two ends. */
export interface KeyBounds {
  readonly low: string;
  readonly isLowIncluded: boolean;
  /** The first key behind the range; undefined: it goes on to the last one. */
  readonly high: string | undefined;
  readonly reverse: boolean;
}

export function boundsOf({ prefix = "", start = "", end, after, reverse = false }: KeyRange): KeyBounds {
  const first = compareKeys(prefix, start) > 0 ? prefix : start;
  const high = lower(behindPrefix(prefix), end);
  if (after === undefined) return { low: first, isLowIncluded: true, high, reverse };
  if (reverse) return { low: first, isLowIncluded: true, high: lower(high, after), reverse };
  return compareKeys(after, first) < 0
    ? { low: first, isLowIncluded: true, high, reverse }
    : { low: after, isLowIncluded: false, high, reverse };
}

export function isWithin(key: string, { low, isLowIncluded, high }: KeyBounds): boolean {
  const fromLow = compareKeys(key, low);
  if (fromLow < 0 || (fromLow === 0 && !isLowIncluded)) return false;
  return high === undefined || compareKeys(key, high) < 0;
}

function lower(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined) return b;
  return b === undefined || compareKeys(a, b) < 0 ? a : b;
}

const lastCodePoint = 0x10ffff;
const beforeSurrogates = 0xd7ff;
const afterSurrogates = 0xe000;

/** The least string above all that begin so; undefined when there is none. */
function behindPrefix(prefix: string): string | undefined {
  const points = [...prefix];
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    const point = last.codePointAt(0) ?? lastCodePoint;
    if (point === lastCodePoint) continue;
    const next = point === beforeSurrogates ? afterSurrogates : point + 1;
    return points.join("") + String.fromCodePoint(next);
  }
  return undefined;
}
