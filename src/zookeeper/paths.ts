import { problemWith, text } from "../common/option-kinds.ts";
import { ZooKeeperError } from "./errors.ts";

/**
 * Characters that ZooKeeper allows in no path: control characters, private use, specials, and what is not one UTF-16
 * unit (halves of surrogate pairs, and so emoji). From its PathUtils.java.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to find.
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]/;

/**
 * What is wrong with a path that is not absolute or not allowed; undefined when nothing is. The path of a `sequential`
 * znode may end with a slash, because its number follows.
 */
export function pathProblem(path: string, sequential = false): string | undefined {
  const wrongKind = problemWith("the path", path, text);
  if (wrongKind !== undefined) return wrongKind;
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
  return problem && `${JSON.stringify(path)} is no znode path: ${problem}`;
}

function isBadName(name: string): boolean {
  return name === "" || name === "." || name === "..";
}

/** Refuses what `pathProblem` finds. Errors: BAD_ARGUMENTS. */
export function checkPath(path: string, sequential = false): void {
  const problem = pathProblem(path, sequential);
  if (problem !== undefined) throw new ZooKeeperError("BAD_ARGUMENTS", problem, { path });
}

/**
 * The path on the server of a path under `chroot`, which is "" or begins with a slash. To that of a `sequential` znode its
 * number is added: also below the chroot.
 */
export function addChroot(chroot: string, path: string, sequential = false): string {
  return path === "/" && chroot !== "" && !sequential ? chroot : chroot + path;
}

/** Undoes `addChroot`. A path that is not under `chroot`, as that of the ensemble's configuration, stays as it is. */
export function stripChroot(chroot: string, path: string): string {
  if (path === chroot && chroot !== "") return "/";
  return path.startsWith(`${chroot}/`) ? path.slice(chroot.length) : path;
}

/** The path of the znode above, which is "/" for "/" too. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/** The path of a child. */
export function childOf(path: string, name: string): string {
  return path === "/" ? `/${name}` : `${path}/${name}`;
}
