import assert from "node:assert/strict";
import type { GrowingRing } from "./growing-ring.ts";

/** A change of the ring. One continues where the one before has ended. */
export interface GrowthStep {
  readonly title: string;
  /** The groups that are in the ring afterwards. */
  readonly groups: readonly string[];
  change(growing: GrowingRing): Promise<void>;
}

export const growthSteps: readonly GrowthStep[] = [
  {
    title: "zdata3, started by one more `bun run src/data.ts`, takes its share of the keys",
    groups: ["zdata1", "zdata2", "zdata3"],
    change: (growing) => growing.enter("zdata3"),
  },
  {
    title: "two groups that start at the same time enter one after the other",
    groups: ["zdata1", "zdata2", "zdata3", "zdata4", "zdata5"],
    change: (growing) => growing.enter("zdata4", "zdata5"),
  },
  {
    title: "kvlab ring drain takes two groups out",
    groups: ["zdata3", "zdata4", "zdata5"],
    async change(growing) {
      await growing.kvlab("ring", "drain", "zdata1");
      const drained = await growing.kvlab("ring", "drain", "zdata2", "--watch");
      assert.match(drained, /nothing changes any more\n$/);
    },
  },
  {
    title: "kvlab ring set changes the virtual nodes from 2 to 128",
    groups: ["zdata3", "zdata4", "zdata5"],
    async change(growing) {
      await growing.kvlab("ring", "set", "--virtual-nodes", "128", "--watch", "--json");
      const { virtualNodes } = JSON.parse(await growing.kvlab("ring", "--json"));
      assert.equal(virtualNodes, 128);
    },
  },
];
