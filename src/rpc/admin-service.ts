import { ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { AdminService, type RecoverRequest } from "../../gen/kvlab/v1/admin_pb.ts";
import { AgentList } from "../agent/agent-list.ts";
import type { Consent } from "../cluster/election/recovery.ts";
import type { RouterNode } from "../cluster/node/router-node.ts";
import type { Clock } from "../common/clock.ts";
import { toAgentListing } from "./agent-messages.ts";
import { answering, relayed } from "./errors.ts";
import { firstTopology } from "./first-topology.ts";
import {
  fromChangeId,
  fromRate,
  fromRequest,
  toAbortedChange,
  toRequest,
  toRequestedChange,
  toRing,
} from "./ring-messages.ts";

export function adminRoutes(router: ConnectRouter, node: RouterNode, clock: Clock): void {
  const agents = new AgentList({ sessions: node.sessions, clock });
  router.service(AdminService, {
    transfer: ({ group, number }, { signal }) =>
      answering(async () => {
        try {
          return { epoch: BigInt(await node.transferLeadership(group, number, signal)) };
        } catch (error) {
          throw error instanceof ConnectError ? relayed(error) : error;
        }
      }),
    recover: (request, { signal }) =>
      answering(async () => {
        const { primary, epoch, loss } = await node.recover(request.group, consentOf(request), signal);
        return { number: primary.number, epoch: BigInt(epoch), loss };
      }),
    getRing: (_request, { signal }) =>
      answering(async () => {
        await firstTopology(node.topology, clock, signal);
        return toRing(await node.ring(signal), clock.monotonicMs());
      }),
    changeRing: ({ request, dryRun }, { signal }) =>
      answering(async () => {
        return toRequestedChange(await node.changeRing(fromRequest(request), { dryRun }, signal));
      }),
    paceRing: ({ paused, rate, change }, { signal }) =>
      answering(async () => {
        const limit = rate === undefined ? undefined : fromRate(rate);
        const paced = await node.paceRing({ paused, rate: limit }, fromChangeId(change), signal);
        return { change: BigInt(paced.id), rate: BigInt(paced.rate ?? 0) };
      }),
    abortRing: ({ change }, { signal }) =>
      answering(async () => {
        return toAbortedChange(await node.abortRing(fromChangeId(change), signal));
      }),
    withdrawRing: ({ request }, { signal }) =>
      answering(async () => {
        const { withdrawn, queue } = await node.withdrawRing(request && fromRequest(request), signal);
        return { withdrawn: withdrawn.map(toRequest), queue: queue.map(toRequest) };
      }),
    removeGroup: ({ group }, { signal }) =>
      answering(async () => {
        await node.removeGroup(group, signal);
        return {};
      }),
    listAgents: (_request, { signal }) => answering(async () => toAgentListing(await agents.read(signal))),
  });
}

function consentOf({ acceptDataLoss, accepted }: RecoverRequest): Consent {
  if (!acceptDataLoss) return "none";
  if (accepted === undefined) return "any";
  const { epoch, lastEpoch, lastSeq } = accepted;
  return { epoch: Number(epoch), last: { epoch: Number(lastEpoch), seq: Number(lastSeq) } };
}
