/**
 * A data node, as src/data.ts starts it, that stops itself (SIGSTOP) when a move of keys reaches a step. A file, which
 * `stopfile` names, says at which: whoever gets there first renames it, with its process id added, and stops.
 */

import { readFileSync, renameSync } from "node:fs";
import process from "node:process";
import { MoveSource } from "../../src/cluster/move/move-source.ts";
import { CommitPipeline } from "../../src/cluster/replication/commit-pipeline.ts";

const file = process.env.stopfile ?? "";

/** Returns when somebody has sent SIGCONT. */
function reach(step: string): void {
  try {
    if (readFileSync(file, "utf8") !== step) return;
    renameSync(file, `${file}.${process.pid}`);
  } catch {
    // Nobody is to stop, or another process was first.
    return;
  }
  process.kill(process.pid, "SIGSTOP");
}

const { proposeAll } = CommitPipeline.prototype;
CommitPipeline.prototype.proposeAll = function (records) {
  // `copy` and `accept` at the destination, `release` at the source, `forget` at both.
  for (const kind of new Set(records.map(({ move }) => move?.kind))) if (kind !== undefined) reach(kind);
  return proposeAll.call(this, records);
};

const { step: take } = MoveSource.prototype;
MoveSource.prototype.step = async function (request, signal) {
  const { kind } = request.step;
  if (kind === "begin") reach("begin");
  const answer = await take.call(this, request, signal);
  if (kind === "seal") reach("seal");
  // The keys are given up, and nobody has noted that yet.
  if (kind === "release") reach("done");
  return answer;
};

await import("../../src/data.ts");
