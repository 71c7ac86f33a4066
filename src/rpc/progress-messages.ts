import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type MoveProgress as MoveProgressMessage,
  type MoveProgressSchema,
  MoveStage as MoveStageMessage,
} from "../../gen/kvlab/v1/data_pb.ts";
import type { MoveProgress, MoveStage } from "../cluster/ring/move-progress.ts";

const stages: Readonly<Record<MoveStage, MoveStageMessage>> = {
  erase: MoveStageMessage.ERASE,
  copy: MoveStageMessage.COPY,
  seal: MoveStageMessage.SEAL,
  release: MoveStageMessage.RELEASE,
};

export function toMoveProgress(move: MoveProgress): MessageInitShape<typeof MoveProgressSchema> {
  const { from, to, stage } = move;
  return {
    change: BigInt(move.change),
    from,
    to,
    stage: stages[stage],
    keys: BigInt(move.keys),
    keysTotal: BigInt(move.keysTotal),
    elapsedMs: BigInt(Math.round(move.elapsedMs)),
  };
}

/** Undefined when the node runs a later version, with another stage. */
export function fromMoveProgress(message: MoveProgressMessage): MoveProgress | undefined {
  const stage = (Object.keys(stages) as MoveStage[]).find((each) => stages[each] === message.stage);
  if (stage === undefined) return undefined;
  const { from, to } = message;
  return {
    change: Number(message.change),
    from,
    to,
    stage,
    keys: Number(message.keys),
    keysTotal: Number(message.keysTotal),
    elapsedMs: Number(message.elapsedMs),
  };
}
