import { createHash } from "node:crypto";
import { listOf, objectWith, oneOf, text } from "../common/option-kinds.ts";

/** What an ACL entry allows (ZooDefs.Perms). `delete` and `create` are about children; `admin` is setting the ACL. */
export type Permission = "read" | "write" | "create" | "delete" | "admin";

export const allPermissions: readonly Permission[] = ["read", "write", "create", "delete", "admin"];

/**
 * An entry of a znode's access control list. Schemes of ZooKeeper: `world` with the id `anyone`; `auth` with the id "",
 * which stands for the identities of the session that sets it; `digest`, see `digestId`; `ip` with an address or
 * `address/bits`; `x509` with the subject of a client certificate.
 */
export interface Acl {
  readonly scheme: string;
  readonly id: string;
  readonly permissions: readonly Permission[];
}

/** Everybody may do everything (OPEN_ACL_UNSAFE). */
export const openAcl: readonly Acl[] = [{ scheme: "world", id: "anyone", permissions: allPermissions }];

/** Everybody may read (READ_ACL_UNSAFE). */
export const readAcl: readonly Acl[] = [{ scheme: "world", id: "anyone", permissions: ["read"] }];

/** Only the identities of the session may do anything (CREATOR_ALL_ACL). It needs one, see `addAuth`. */
export const creatorAcl: readonly Acl[] = [{ scheme: "auth", id: "", permissions: allPermissions }];

/** The id of the scheme `digest` for a user: `user:base64(sha1(user:password))`, see DigestAuthenticationProvider. */
export function digestId(user: string, password: string): string {
  return `${user}:${createHash("sha1").update(`${user}:${password}`).digest("base64")}`;
}

/** A list of ACL entries. */
export const aclKind = listOf({
  ...objectWith({ scheme: text, id: text, permissions: listOf(oneOf(allPermissions)) }),
  allowed: `an object with scheme, id, and permissions, of which each is one of ${allPermissions.join(", ")}`,
});
