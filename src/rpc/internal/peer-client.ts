import { createClient, type Transport } from "@connectrpc/connect";
import { ElectionService } from "../../../gen/kvlab/internal/v1/election_pb.ts";
import { MoveService } from "../../../gen/kvlab/internal/v1/move_pb.ts";
import { ReplicationService } from "../../../gen/kvlab/internal/v1/replication_pb.ts";
import type { OpenDuplex } from "../../client/transport/duplex.ts";
import type { Peer } from "../../cluster/replication/peer.ts";
import { fromMoveOutResponse, toMoveOutRequest } from "./move-steps.ts";
import { OutgoingStream } from "./outgoing-stream.ts";
import { fromPosition } from "./replication-messages.ts";

/** The ways to another node. */
export interface PeerConnection {
  readonly transport: Transport;
  readonly openDuplex: OpenDuplex;
}

/** The peer at the other end of a connection. */
export function peerOver({ transport, openDuplex }: PeerConnection): Peer {
  const client = createClient(ReplicationService, transport);
  const election = createClient(ElectionService, transport);
  const moves = createClient(MoveService, transport);
  return {
    replicate: (onEnd) => new OutgoingStream(openDuplex, onEnd),
    countMisplaced: async (request, signal) => {
      const message = { ...request, ringGroups: [...request.ringGroups] };
      const { keys, groups } = await client.countMisplaced(message, { signal });
      return {
        keys: Number(keys),
        groups: groups.map((each) => ({
          group: each.group,
          keys: Number(each.keys),
          bytes: Number(each.bytes),
        })),
      };
    },
    transferLeadership: async (request, signal) => Number((await client.handOver(request, { signal })).epoch),
    position: async (request, signal) => {
      const { position, damaged } = await client.getPosition(request, { signal });
      return damaged ? undefined : fromPosition(position);
    },
    reportSilence: async ({ cluster = "", group, epoch, reporter: { number, incarnation } }, signal) => {
      const message = { cluster, group, epoch: BigInt(epoch), number, incarnation };
      return (await election.reportSilence(message, { signal })).promoted;
    },
    moveIn: async ({ cluster = "", group, from, change }, signal) => {
      await moves.moveIn({ cluster, group, from, change: BigInt(change) }, { signal });
    },
    moveOut: async (request, signal) =>
      fromMoveOutResponse(await moves.moveOut(toMoveOutRequest(request), { signal }), request.step),
  };
}
