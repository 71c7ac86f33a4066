import assert from "node:assert/strict";
import { test } from "node:test";
import { formatGroupState, parseGroupState } from "../../../src/cluster/metadata/codec.ts";
import { groupStatePath } from "../../../src/cluster/metadata/paths.ts";
import { NodeCluster } from "../../support/node-cluster.ts";

test("a node whose earlier life is put in sync rejoins, and its group is served again", async () => {
  const cluster = await NodeCluster.start();
  await cluster.router("127.0.0.1:1926");
  const node = await cluster.data("g", "127.0.0.1:2000");
  await cluster.put(node, "a", "1");
  // As by a router that recovers the group, and does not know yet that the node has registered again.
  const session = await cluster.session();
  const path = groupStatePath("g");
  const { data, stat } = await cluster.clock.settled(session.get(path));
  const { epoch } = parseGroupState(path, data);
  const earlier = { number: 1, incarnation: "1" };
  const named = { epoch: epoch + 1, primary: earlier, inSync: [earlier] };
  await cluster.clock.settled(session.set(path, formatGroupState(named), stat.version));
  await cluster.sees(node, "the node is primary in its present life", ({ groups }) => {
    const state = groups.get("g")?.state?.value;
    return state?.epoch === epoch + 2 && state.primary?.incarnation !== earlier.incarnation;
  });
  assert.ok((await cluster.put(node, "a", "2")) > 0);
  assert.deepEqual(
    cluster.log.filter((message) => message.startsWith("failed")),
    [],
  );
});
