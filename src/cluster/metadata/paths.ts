/** Every znode of kvlab, below the chroot of the connect string. */

export const serverPath = "/server";
export const serverLockPath = "/server/lock";
export const serverTopPath = "/server/top";
export const dataPath = "/data";
export const dataLockPath = "/data/lock";
export const ringPath = "/ring";
/** The cluster's id: see `enterCluster`. */
export const clusterPath = "/cluster";
/** The agents: ephemeral znodes, each with the load of a machine. */
export const agentPath = "/zk-agent";

/** Number of the router that is the master. */
export const masterNumber = 0;

export function routerPath(number: number): string {
  return `${serverPath}/${number}`;
}

export function groupPath(group: string): string {
  return `${dataPath}/${group}`;
}

export function nodePath(group: string, number: number): string {
  return `${dataPath}/${group}/${number}`;
}

export function groupTopPath(group: string): string {
  return `${dataPath}/${group}/top`;
}

export function groupStatePath(group: string): string {
  return `${dataPath}/${group}/state`;
}

/** See `GroupLogs`. */
export function groupLogsPath(group: string): string {
  return `${dataPath}/${group}/logs`;
}

/** The primary's number once more, for people and old tools. Nothing of ours reads it. */
export function groupPrimaryPath(group: string): string {
  return `${dataPath}/${group}/primary`;
}

/** Of routers and data nodes: what the schema has room for. */
export const numberMax = 2 ** 32 - 1;

/** The number that a text stands for, be it a znode's name or its data; undefined when it is none of ours. */
export function parseNumber(text: string): number | undefined {
  if (!/^(0|[1-9]\d{0,9})$/.test(text)) return undefined;
  const number = Number(text);
  return number <= numberMax ? number : undefined;
}

/** Names that stand for something else beside groups or in them. */
const reservedNames: readonly string[] = [".", "..", "lock", "top", "state", "primary"];
const groupNameBytesMax = 128;

/** What is allowed as a group's name, to end the sentence "allowed: …". */
export const groupNameAllowed =
  `1 to ${groupNameBytesMax} bytes of visible UTF-8 text without spaces, slashes or emoji, ` +
  `and not ${reservedNames.join(" ")}`;

export function isGroupName(name: string): boolean {
  return (
    !reservedNames.includes(name) &&
    new TextEncoder().encode(name).length <= groupNameBytesMax &&
    // Spaces and line ends would end the name in the header of a log. ZooKeeper's PathUtils refuses control
    // characters, the private-use area and, since it looks at UTF-16 units, all beyond U+FFFF.
    /^[^\p{C}\p{Z}/\u{FFF0}-\u{10FFFF}]+$/u.test(name)
  );
}
