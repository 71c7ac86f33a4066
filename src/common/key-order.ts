/** Compares well-formed strings by their UTF-8 bytes, which is the order of their code points. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const unitA = a.charCodeAt(index);
    const unitB = b.charCodeAt(index);
    if (unitA !== unitB) return rank(unitA) - rank(unitB);
  }
  return a.length - b.length;
}

const surrogates = 0xd800;
const afterSurrogates = 0xe000;

/** Halves of surrogate pairs, which stand for code points above U+FFFF, come after all other UTF-16 units. */
function rank(unit: number): number {
  if (unit < surrogates) return unit;
  return unit < afterSurrogates ? unit + 0x10000 : unit;
}
