import { CoordinationError } from "./coordination.ts";

/**
 * What ZooKeeper takes in no path: control characters, and what it cannot keep as a single UTF-16 unit (halves of
 * surrogate pairs, so also emoji), private use and specials. From its PathUtils.java.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to find.
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]/;

/**
 * Refuses what is no absolute znode path. The path of a `sequential` znode may end with a slash, since its number
 * follows.
 * Errors: BAD_ARGUMENTS.
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

/** The path on the server of a path under `chroot`, which is "" when there is none, else begins with a slash. */
export function addChroot(chroot: string, path: string): string {
  return path === "/" && chroot !== "" ? chroot : chroot + path;
}

/** Undoes `addChroot`. */
export function stripChroot(chroot: string, path: string): string {
  return path === chroot && chroot !== "" ? "/" : path.slice(chroot.length);
}
