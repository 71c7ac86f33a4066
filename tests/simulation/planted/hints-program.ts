import { clientMutants } from "./client-mutants.ts";
import { commitMutants } from "./commit-mutants.ts";
import { cutMutants } from "./cut-mutants.ts";
import { writeHints } from "./hints.ts";
import { huntEach } from "./hunt-all.ts";
import { identityMutants } from "./identity-mutants.ts";
import { inSyncMutants } from "./in-sync-mutants.ts";
import { indexMutants } from "./index-mutants.ts";
import { keyMutants } from "./key-mutants.ts";
import { leadershipMutants } from "./leadership-mutants.ts";
import { moveMutants } from "./move-mutants.ts";
import { recoveryMutants } from "./recovery-mutants.ts";
import { streamingMutants } from "./streaming-mutants.ts";
import { watchMutants } from "./watch-mutants.ts";

/**
 * Hunts all planted bugs, and writes which seeds catch them into hints.json. Worth while when the tests of planted bugs
 * have become slow: `bun tests/simulation/planted/hints-program.ts`. A hint that still holds stays.
 */
const mutants = [
  ...[...leadershipMutants, ...inSyncMutants, ...commitMutants, ...cutMutants, ...streamingMutants],
  ...[...keyMutants, ...watchMutants, ...identityMutants, ...indexMutants, ...clientMutants],
  ...[...recoveryMutants, ...moveMutants],
];
const seeds = new Map<string, number>();
const queue = mutants.values();
const work = () =>
  huntEach(queue, {
    // Slowly if the machine is busy: nobody waits for this.
    limitMs: 1_200_000,
    onCatch: ({ mutant, seed }) => {
      console.log(seed, mutant.name);
      if (seed !== undefined) seeds.set(mutant.name, seed);
    },
  });
await Promise.all([work(), work()]);
const inOrder = mutants.flatMap(({ name }) => {
  const seed = seeds.get(name);
  return seed === undefined ? [] : [[name, seed] as const];
});
writeHints(Object.fromEntries(inOrder));
