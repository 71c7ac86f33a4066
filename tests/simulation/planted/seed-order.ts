/** All seeds from 1 to `seedsMax`, each once: the hinted one first, if it is among them, then the others as they come. */
export function seedOrder(seedsMax: number, hint: number | undefined): number[] {
  const seeds = Array.from({ length: seedsMax }, (_, index) => index + 1);
  return [...seeds.filter((seed) => seed === hint), ...seeds.filter((seed) => seed !== hint)];
}
