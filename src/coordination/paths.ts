import { CoordinationError } from "./coordination.ts";

/**
 * Characters that ZooKeeper allows in no path: control characters, private use, specials, and what is not one UTF-16
 * unit (halves of surrogate pairs, and so emoji). From its PathUtils.java.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to find.
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]/;

/**
 * Refuses a path that is not absolute or not allowed. The path of a `sequential` znode may end with a slash, because
 * its number follows. Errors: BAD_ARGUMENTS.
 */
export function checkPath(path: string, sequential = false): void {
  const complete = sequential ? `${path}0` : path;
  const problem = !complete.startsWith("/")
    ? "it does not begin with a slash"
    : complete === "/"
      ? undefined
      : FORBIDDEN.test(complete)
        ? "it contains a character that ZooKeeper does not take"
        : complete.slice(1).split("/").find(isBadName) !== undefined
          ? "none of its names may be empty, . or .."
          : undefined;
  if (problem === undefined) return;
  throw new CoordinationError("BAD_ARGUMENTS", `${JSON.stringify(path)} is no znode path: ${problem}`, {
    path,
  });
}

function isBadName(name: string): boolean {
  return name === "" || name === "." || name === "..";
}

/** The path on the server of a path under `chroot`, which is "" or begins with a slash. */
export function addChroot(chroot: string, path: string): string {
  return path === "/" && chroot !== "" ? chroot : chroot + path;
}

/** Undoes `addChroot`. */
export function stripChroot(chroot: string, path: string): string {
  return path === chroot && chroot !== "" ? "/" : path.slice(chroot.length);
}
