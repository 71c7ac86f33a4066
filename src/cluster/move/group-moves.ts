import { MoveDestination } from "./move-destination.ts";
import { MoveSource } from "./move-source.ts";
import type { MoveOptions } from "./options.ts";
import { StrayKeys } from "./stray-keys.ts";

/** What a group does while the ring changes. The protocol, with the reason of each rule: docs/ring.md. */
export class GroupMoves {
  readonly source: MoveSource;
  readonly destination: MoveDestination;

  constructor(options: MoveOptions) {
    this.source = new MoveSource(options);
    this.destination = new MoveDestination(options);
    new StrayKeys(options);
  }
}
