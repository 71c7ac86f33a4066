import process from "node:process";
import { virtualNodesMax } from "../../cluster/ring/hash-ring.ts";
import { print } from "../../settings/run-main.ts";
import { number, optional, text, toggle, withDefault } from "../../settings/setting.ts";
import { routerCommand } from "../command.ts";
import { describeRing, type Terminal } from "../ring/describe.ts";
import {
  describeAbort,
  describeOutcome,
  describePace,
  describeWithdrawal,
} from "../ring/describe-outcome.ts";
import { followRing } from "../ring/follow.ts";
import { readRing } from "../ring-report.ts";
import {
  type AskedChange,
  type AskedPace,
  askAbort,
  askChange,
  askPace,
  askWithdrawal,
} from "../ring-requests.ts";
import { jsonSetting } from "../router-settings.ts";
import type { Session } from "../session.ts";

const group = text({
  meaning: "The group.",
  placeholder: "GROUP",
  source: "operand",
  allowed: "the name of a group",
});

const rate = number({
  meaning: "Most keys to move in a second. 0: as many as possible.",
  placeholder: "KEYS",
  source: "flag",
  min: 0,
  max: 1_000_000_000,
});

const change = optional(
  number({
    meaning: "Only the change with this id, as `kvlab ring` shows it. Without it, the one that is under way.",
    placeholder: "CHANGE",
    source: "operand",
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
  }),
);

const watch = toggle(
  "Then show the progress until nothing changes any more. Ctrl-C ends that, and not the change.",
);

const changeSettings = {
  rate: withDefault(rate, 0),
  "dry-run": toggle("Only say what would move."),
  watch,
  json: jsonSetting,
};

interface ChangeSettings {
  readonly rate: number;
  readonly "dry-run": boolean;
  readonly watch: boolean;
  readonly json: boolean;
}

export const ringCommand = routerCommand(
  {
    command: "kvlab ring",
    summary:
      "Shows the ring: which group has which share, how many keys and bytes each holds, and how far a change is. Warns of an uneven ring.",
    settings: {
      watch: toggle("Show the progress of a change until nothing changes any more, and not the ring."),
      json: jsonSetting,
    },
    examples: ["kvlab ring", "kvlab ring --json | jq .groups", "kvlab ring --watch"],
  },
  async ({ watch, json }, session) => {
    if (watch) return await followRing(session, json);
    const { report, lookAt } = await readRing(session.ask);
    await print(json ? `${JSON.stringify(report)}\n` : describeRing(report, lookAt, terminal()));
    return 0;
  },
);

export const ringAddCommand = routerCommand(
  {
    command: "kvlab ring add",
    summary:
      "Lets a group into the ring: it takes its share of the keys from the others, while reads and writes go on. New groups do so by themselves, unless the routers run with newgroups=wait.",
    settings: { group, ...changeSettings },
    examples: ["kvlab ring add zdata3 --dry-run", "kvlab ring add zdata3 --rate 5000 --watch"],
  },
  ({ group, ...settings }, session) =>
    changeRing(session, settings, { what: `ring add ${group}`, request: { case: "add", value: group } }),
);

export const ringDrainCommand = routerCommand(
  {
    command: "kvlab ring drain",
    summary:
      "Takes a group out of the ring: its keys move to the others, while reads and writes go on. It then stays outside until it is added again. A group that waits to enter no longer does.",
    settings: { group, ...changeSettings },
    examples: ["kvlab ring drain zdata3 --watch"],
  },
  ({ group, ...settings }, session) =>
    changeRing(session, settings, { what: `ring drain ${group}`, request: { case: "drain", value: group } }),
);

export const ringSetCommand = routerCommand(
  {
    command: "kvlab ring set",
    summary:
      "Changes the number of virtual nodes of all groups. More of them make the shares of the groups more equal. Many keys move.",
    settings: {
      "virtual-nodes": number({
        meaning: "Virtual nodes of a group: it has one point more than this on the ring.",
        placeholder: "COUNT",
        source: "flag",
        min: 0,
        max: virtualNodesMax,
      }),
      ...changeSettings,
    },
    examples: ["kvlab ring set --virtual-nodes 128 --dry-run"],
  },
  ({ "virtual-nodes": value, ...settings }, session) =>
    changeRing(session, settings, {
      what: `ring set --virtual-nodes ${value}`,
      request: { case: "virtualNodes", value },
    }),
);

export const ringRemoveCommand = routerCommand(
  {
    command: "kvlab ring remove",
    summary:
      "Removes a group that is outside the ring from the cluster, so that nothing shows it any more. Its nodes must be stopped before. Their files stay.",
    settings: { group, json: jsonSetting },
    examples: ["kvlab ring remove zdata3"],
  },
  async ({ group, json }, { ask }) => {
    await ask({
      what: `ring remove ${group}`,
      kind: "write",
      call: ({ admin }, options) => admin.removeGroup({ group }, options),
    });
    await print(json ? `${JSON.stringify({ group })}\n` : `${group} is removed\n`);
    return 0;
  },
);

export const ringPauseCommand = routerCommand(
  {
    command: "kvlab ring pause",
    summary: "Pauses the change of the ring that is under way. All keys stay available.",
    settings: { change, json: jsonSetting },
    examples: ["kvlab ring pause"],
  },
  ({ change, json }, session) => paceRing(session, { what: "ring pause", change, paused: true }, json),
);

export const ringResumeCommand = routerCommand(
  {
    command: "kvlab ring resume",
    summary: "Lets a paused change of the ring go on, or changes the rate of one that is under way.",
    settings: {
      change,
      rate: optional({ ...rate, meaning: `${rate.meaning} Without it, the rate stays as it was.` }),
      watch,
      json: jsonSetting,
    },
    examples: ["kvlab ring resume", "kvlab ring resume --rate 20000"],
  },
  async ({ change, rate, watch, json }, session) => {
    const exitCode = await paceRing(session, { what: "ring resume", change, paused: false, rate }, json);
    return watch ? await followRing(session, json) : exitCode;
  },
);

export const ringAbortCommand = routerCommand(
  {
    command: "kvlab ring abort",
    summary:
      "Aborts the change of the ring that is under way: what has moved goes back. A group that was to enter stays outside until it is added again. Aborted once more, everything goes forward again. Changes that wait begin all the same: kvlab ring withdraw drops them.",
    settings: { change, watch, json: jsonSetting },
    examples: ["kvlab ring abort --watch", "kvlab ring abort 8"],
  },
  async ({ change, watch, json }, session) => {
    const outcome = await askAbort(session.ask, change);
    await print(json ? `${JSON.stringify(outcome)}\n` : describeAbort(outcome));
    return watch ? await followRing(session, json) : 0;
  },
);

export const ringWithdrawCommand = routerCommand(
  {
    command: "kvlab ring withdraw",
    summary:
      "Drops changes of the ring that wait behind the one under way: all of them, or one. A group that waited to enter stays outside until it is added again.",
    settings: {
      place: optional(
        number({
          meaning:
            "Only the change at this place of those that wait, as `kvlab ring` shows them. 1: the next.",
          placeholder: "PLACE",
          source: "operand",
          min: 1,
          // The router says how many can wait.
          max: 2 ** 32 - 1,
        }),
      ),
      json: jsonSetting,
    },
    examples: ["kvlab ring withdraw", "kvlab ring withdraw 1"],
  },
  async ({ place, json }, { ask }) => {
    const outcome = await askWithdrawal(ask, place);
    await print(json ? `${JSON.stringify(outcome)}\n` : describeWithdrawal(outcome));
    return 0;
  },
);

async function changeRing(
  session: Session,
  { rate, "dry-run": dryRun, watch, json }: ChangeSettings,
  asked: Pick<AskedChange, "what" | "request">,
): Promise<number> {
  const outcome = await askChange(session.ask, { ...asked, rate, dryRun });
  await print(json ? `${JSON.stringify(outcome)}\n` : describeOutcome(outcome, dryRun));
  return watch && !dryRun ? await followRing(session, json) : 0;
}

async function paceRing({ ask }: Session, asked: AskedPace, json: boolean): Promise<number> {
  const outcome = await askPace(ask, asked);
  await print(json ? `${JSON.stringify(outcome)}\n` : describePace(outcome));
  return 0;
}

function terminal(): Terminal {
  const { stdout, env } = process;
  const isTerminal = stdout.isTTY === true;
  return { columns: (isTerminal && stdout.columns) || 80, colored: isTerminal && !env.NO_COLOR };
}
