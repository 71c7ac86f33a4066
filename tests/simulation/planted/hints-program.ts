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
 * have become slow: `bun tests/simulation/planted/hints-program.ts`. Of ten seeds
 * (more if none of them catches a bug), the one that catches it with the fewest events becomes the hint.
 */
const mutants = [
  ...[...leadershipMutants, ...inSyncMutants, ...commitMutants, ...cutMutants, ...streamingMutants],
  ...[...keyMutants, ...watchMutants, ...identityMutants, ...indexMutants, ...clientMutants],
  ...[...recoveryMutants, ...moveMutants],
];
const queue = mutants.values();
const work = () =>
  huntEach(queue, {
    // Slowly if the machine is busy: nobody waits for this.
    limitMs: 1_200_000,
    seedsMin: 10,
    onCatch: ({ mutant, seed }) => console.log(seed, mutant.name),
  });
const hunted = (await Promise.all([work(), work()])).flat();
const seeds = new Map(hunted.map(({ mutant, seed }) => [mutant.name, seed]));
const hints = mutants.map(({ name }) => [name, seeds.get(name)] as const);
writeHints(Object.fromEntries(hints.flatMap(([name, seed]) => (seed ? [[name, seed]] : []))));
