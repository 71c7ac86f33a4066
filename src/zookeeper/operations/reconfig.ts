import { type Kinds, listOf, text, wholeNumber } from "../../common/option-kinds.ts";
import { checkOptions } from "../check.ts";
import { longKind } from "../options.ts";
import type { WatchListener } from "../watch-event.ts";
import type { Operation } from "../wire/operation.ts";
import { OP } from "../wire/protocol.ts";
import { type DataAndStat, getOperation, readDataAndStat } from "./reads.ts";

/** The znode with the configuration of the ensemble (ZooDefs.CONFIG_NODE), which is outside of every chroot. */
const CONFIG_PATH = "/zookeeper/config";

/** How to change the ensemble: some members join and leave, or `members` replaces all. */
export interface Reconfiguration {
  /** As in a server's configuration: `server.1=host:port:port[:role];[address:]clientPort`. */
  readonly joining?: readonly string[];
  /** Numbers of servers. */
  readonly leaving?: readonly number[];
  /** All members, each as in `joining`. */
  readonly members?: readonly string[];
  /** Only if this is the version of the configuration now: its `stat.version` in hexadecimal is in `version=`. */
  readonly fromConfig?: bigint;
}

const changeKinds: Kinds<Reconfiguration> = {
  joining: listOf(text),
  leaving: listOf(wholeNumber(0)),
  members: listOf(text),
  fromConfig: longKind,
};

/** Any configuration. */
const ANY = -1n;

/** Errors: BAD_ARGUMENTS. */
export function reconfigOperation(given: Reconfiguration): Operation<DataAndStat> {
  checkOptions("reconfig", given, changeKinds);
  const { joining, leaving, members, fromConfig = ANY } = given;
  return {
    type: OP.reconfig,
    name: "reconfig",
    path: CONFIG_PATH,
    effect: fromConfig === ANY ? "write" : "conditional",
    write: (writer) =>
      writer
        .string(joining?.join(","))
        .string(leaving?.join(","))
        .string(members?.join(","))
        .long(fromConfig),
    read: readDataAndStat,
  };
}

export function getConfigOperation(listener?: WatchListener): Operation<DataAndStat> {
  return { ...getOperation("", CONFIG_PATH, listener), name: "getConfig" };
}
