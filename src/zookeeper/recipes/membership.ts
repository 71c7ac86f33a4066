import { type Kinds, text, yesOrNo } from "../../common/option-kinds.ts";
import { ZooKeeperError } from "../errors.ts";
import { type CallOptions, callKinds } from "../options.ts";
import type { ZooKeeper } from "../zookeeper.ts";
import { bounded, type EndlessCall } from "./bounded.ts";
import { createOwn, uniqueName } from "./create-own.ts";
import { type Held, holdUntilGone } from "./held.ts";
import { childrenOf } from "./missing.ts";
import { readAll } from "./read-all.ts";
import { waitUntil } from "./wait-until.ts";

export interface GroupOptions extends CallOptions {
  /**
   * Whether identifiers are in the names of the znodes, as in kazoo's `ShallowParty`: members are listed by one call, and
   * an identifier can have no slash. Else they are in the data, as in its `Party`. The same for all members. Default:
   * false.
   */
  readonly shallow?: boolean | undefined;
}

export interface JoinOptions extends GroupOptions {
  /** Whom to show to the others. Default: empty. */
  readonly identifier?: string | undefined;
}

const groupKinds: Kinds<GroupOptions> = { ...callKinds, shallow: yesOrNo };
const joinKinds: Kinds<JoinOptions> = { ...groupKinds, identifier: text };

/** The end of the names of kazoo's `Party`. */
const NAME_END = "__party__";

/**
 * Becomes a member of a group until `release` or the end of the session. While the session is disconnected it stays a
 * member for the others, and the signal is not aborted: only when the znode was deleted or the session is over. Errors:
 * NO_AUTH, ABORTED, DEADLINE_EXCEEDED, SESSION_EXPIRED, CLOSED; BAD_ARGUMENTS, for an identifier that fits no name.
 */
export function joinGroup(client: ZooKeeper, path: string, options: JoinOptions = {}): Promise<Held> {
  return bounded("joinGroup", path, options, joinKinds, async (call) => {
    const { identifier = "", shallow = false } = options;
    if (shallow && identifier.includes("/")) {
      const message = `joinGroup ${path}: the identifier, ${JSON.stringify(identifier)}, has a slash; allowed: none in names`;
      throw new ZooKeeperError("BAD_ARGUMENTS", message, { path });
    }
    const name = uniqueName() + (shallow ? `-${identifier}` : NAME_END);
    return holdUntilGone(client, await createOwn(client, path, name, identifier, call));
  });
}

/** The identifiers of all members, in no order; several may have the same one. */
export function groupMembers(client: ZooKeeper, path: string, options: GroupOptions = {}): Promise<string[]> {
  return bounded("groupMembers", path, options, groupKinds, async (call) => {
    const { shallow = false } = options;
    return identifiersOf(
      client,
      path,
      membersAmong(await childrenOf(client, path, call), shallow),
      shallow,
      call,
    );
  });
}

/**
 * Yields the members, now and whenever that has changed. Of changes in quick succession only the last is seen. Ends with
 * an error: ABORTED, SESSION_EXPIRED, CLOSED, NO_AUTH.
 */
export async function* watchGroup(
  client: ZooKeeper,
  path: string,
  { shallow = false, signal = new AbortController().signal }: Omit<GroupOptions, "deadlineMs"> = {},
): AsyncGenerator<string[], never> {
  const call: EndlessCall = { signal, deadlineMs: Number.POSITIVE_INFINITY };
  let last: string | undefined;
  for (;;) {
    const before = last;
    const names = await waitUntil(client, path, call, async (look) => {
      const found = (await look.exists(path)) && (await look.children(path));
      const names = membersAmong(found?.children ?? [], shallow);
      return names.join("/") === before ? undefined : names;
    });
    last = names.join("/");
    // Nothing of it is watched: it is read again after a lost connection.
    yield await waitUntil(client, path, call, () => identifiersOf(client, path, names, shallow, call));
  }
}

/** The names of members, in order. */
function membersAmong(children: readonly string[], shallow: boolean): string[] {
  return children.filter((name) => shallow || name.includes(NAME_END)).sort();
}

async function identifiersOf(
  client: ZooKeeper,
  path: string,
  names: readonly string[],
  shallow: boolean,
  call: EndlessCall,
): Promise<string[]> {
  if (shallow) return names.map((name) => name.slice(name.indexOf("-") + 1));
  const found = await readAll(client, path, names, call);
  return found.map(({ data }) => Buffer.from(data).toString());
}
