import { after, beforeEach } from "node:test";
import { createClient } from "@connectrpc/connect";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import { startToyNode, type ToyNode, type ToyOptions, transportsTo } from "./toy-node.ts";

/** A node for all tests of a file, and what it has logged in the test under way. */
export async function shareToyNode(options: ToyOptions): Promise<{ node: ToyNode; lines: string[] }> {
  const lines: string[] = [];
  const node = await startToyNode({ log: (line) => lines.push(line), ...options });
  after(() => node.close());
  beforeEach(() => {
    lines.length = 0;
  });
  return { node, lines };
}

/** Runs `action` with a node that waits for clients for ever, but where the options say otherwise. */
export async function withPatientNode(
  options: ToyOptions,
  action: (node: ToyNode) => Promise<void>,
): Promise<void> {
  const never = 600_000;
  const patient = {
    headTimeoutMs: never,
    messageTimeoutMs: never,
    idleTimeoutMs: never,
    pingIntervalMs: never,
  };
  const node = await startToyNode({ ...patient, ...options });
  try {
    await action(node);
  } finally {
    await node.close();
  }
}

/** Makes a call by each protocol. */
export async function assertServes(node: ToyNode): Promise<void> {
  for (const transport of Object.values(transportsTo(node.baseUrl))) {
    await createClient(DataService, transport).put({ key: "still", value: { case: "text", value: "here" } });
  }
}
