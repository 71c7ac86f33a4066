import { text } from "../../common/option-kinds.ts";
import { checkArgument } from "../check.ts";
import { ZooKeeperError } from "../errors.ts";
import { checkPath } from "../paths.ts";

/** Refuses what cannot be the name of one znode. `what` says whose name it is. Errors: BAD_ARGUMENTS. */
export function checkName(what: string, name: string): void {
  checkArgument(`the ${what}`, name, text);
  if (name.includes("/")) {
    const message = `the ${what} is ${JSON.stringify(name)}; allowed: the name of a znode, without a slash`;
    throw new ZooKeeperError("BAD_ARGUMENTS", message);
  }
  checkPath(`/${name}`);
}
