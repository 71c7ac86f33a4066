/**
 * What an agent's znode says, as far as it can be used. An agent that is not ours may leave fields out: the original one has
 * only the first five. A text that is not there is empty. Sizes are in bytes.
 */
export interface AgentReport {
  readonly serverIp: string;
  readonly totalCpu: number | undefined;
  readonly totalMemory: number | undefined;
  readonly totalMemoryDesc: string;
  readonly memoryUsage: number | undefined;
  readonly cpuUsage: number | undefined;
  /** Over 1, 5 and 15 minutes. Empty if there are none. */
  readonly loadAverages: readonly number[];
  readonly processMemory: number | undefined;
  readonly diskTotal: number | undefined;
  readonly diskUsed: number | undefined;
  readonly id: string;
  readonly role: string;
  readonly name: string;
  readonly address: string;
  readonly host: string;
  readonly pid: number | undefined;
  readonly runtime: string;
  readonly runtimeVersion: string;
  readonly version: string;
  readonly startedAt: string;
  readonly writtenAt: string;
}

/** Ours have below 1 KiB. */
const dataBytesMax = 16 * 1024;

/**
 * Longest text of a field, in UTF-16 units. The rest is left out, so that the most agents that are listed, each with the
 * longest texts, fit in the 4 MiB that gRPC clients take by default.
 */
const textMax = 100;

/**
 * Reads the data of an agent's znode. A field that is not of the right kind is left out. When nothing of it can be used,
 * `problem` says why.
 */
export function parseReport(data: Uint8Array): { readonly report: AgentReport; readonly problem?: string } {
  if (data.length > dataBytesMax) {
    const problem = `its data has ${data.length} bytes; at most ${dataBytesMax} are read`;
    return { report: emptyReport, problem };
  }
  const fields = fieldsOf(data);
  if (fields === undefined) return { report: emptyReport, problem: "its data is not a JSON object" };
  return { report: reportOf(fields) };
}

/** Of which nothing is known. */
export const emptyReport: AgentReport = reportOf(new Map());

function fieldsOf(data: Uint8Array): ReadonlyMap<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data));
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    return new Map(Object.entries(value));
  } catch {
    return undefined;
  }
}

function reportOf(fields: ReadonlyMap<string, unknown>): AgentReport {
  const text = (name: string) => {
    const value = fields.get(name);
    // A cut may halve a surrogate pair, which no message can carry.
    return typeof value === "string" ? value.slice(0, textMax).toWellFormed() : "";
  };
  const amount = (name: string) => {
    const value = fields.get(name);
    return isAmount(value) ? value : undefined;
  };
  const whole = (name: string) => {
    const value = amount(name);
    return value === undefined ? undefined : Math.round(value);
  };
  const loads = fields.get("loadAverages");
  return {
    serverIp: text("serverIp"),
    totalCpu: amount("totalCpu"),
    totalMemory: whole("totalMemory"),
    totalMemoryDesc: text("totalMemoryDesc"),
    memoryUsage: whole("memoryUsage"),
    cpuUsage: amount("cpuUsage"),
    loadAverages: Array.isArray(loads) ? loads.slice(0, 3).filter(isAmount) : [],
    processMemory: whole("processMemory"),
    diskTotal: whole("diskTotal"),
    diskUsed: whole("diskUsed"),
    id: text("id"),
    role: text("role"),
    name: text("name"),
    address: text("address"),
    host: text("host"),
    pid: whole("pid"),
    runtime: text("runtime"),
    runtimeVersion: text("runtimeVersion"),
    version: text("version"),
    startedAt: text("startedAt"),
    writtenAt: text("writtenAt"),
  };
}

/** Not negative, and no larger than what a number can hold exactly. */
function isAmount(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= Number.MAX_SAFE_INTEGER;
}
