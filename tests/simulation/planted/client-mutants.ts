import type { Mutant } from "./mutant.ts";

const attempts = "client/attempts.ts";
const mergedScan = "client/merged-scan.ts";
const mergedWatch = "client/merged-watch.ts";
const removedGroups = "client/removed-groups.ts";
const forwarder = "rpc/forwarding/forwarder.ts";

/** Bugs in how clients and routers send calls again, go on with streams, and believe what they are told. */
export const clientMutants: readonly Mutant[] = [
  {
    name: "a client repeats a write without its request id",
    promise: "a write is applied once at most, however often it is sent",
    withinSeeds: 30,
    edits: [
      [
        attempts,
        "sent ??= named(call, cluster.names.requestId(id, group, toldRevision));",
        "sent = named(call, cluster.names.requestId(cluster.names.next(), group, toldRevision));",
      ],
    ],
  },
  {
    name: "a client takes a broken connection for a write that was not applied",
    promise: "an error that says that nothing was done is true",
    withinSeeds: 60,
    edits: [
      [
        attempts,
        'course.maybeApplied ||= mayBeSeen && errorClass.applied === "maybe";',
        'course.maybeApplied ||= mayBeSeen && errorClass.applied === "no";',
      ],
    ],
  },
  {
    name: "a pipe gives an answer to the call that came after the one it is for",
    promise: "an answer belongs to its own call",
    withinSeeds: 10,
    edits: [
      [
        "client/channel/pipe.ts",
        "settleAll(answers, (id) => release(stream, id));",
        "settleAll(answers, (id) => release(stream, [...stream.underWay.keys()][0] ?? id));",
      ],
    ],
  },
  {
    name: "a scan goes on one key too far",
    promise: "a scan leaves no key out",
    withinSeeds: 10,
    edits: [
      [
        mergedScan,
        "after = items.at(-1)?.key ?? after;",
        'const last = items.at(-1)?.key ?? "";\n    if (last !== "") after = last.slice(0, -1) + String.fromCharCode(last.charCodeAt(last.length - 1) + 1);',
      ],
    ],
  },
  {
    name: "a scan goes on with the last key again",
    promise: "a scan shows a key once",
    withinSeeds: 10,
    edits: [[mergedScan, "after = items.at(-1)?.key ?? after;", "after = items.at(-2)?.key ?? after;"]],
  },
  {
    name: "a watch goes on from where it began",
    promise: "a watch tells nothing twice",
    withinSeeds: 10,
    edits: [
      [mergedWatch, "        position = { revision, epoch };", "        position ??= { revision, epoch };"],
    ],
  },
  {
    name: "a watch goes on with what comes from now on",
    promise: "a watch misses nothing when its stream breaks",
    withinSeeds: 10,
    edits: [
      [
        mergedWatch,
        "...placeOf(position()) }",
        "...(this.#unanswered.has(group) ? placeOf(position()) : {}) }",
      ],
    ],
  },
  {
    name: "a watch from now on has a gap where keys move while it begins",
    promise: "a watch misses nothing in the middle",
    withinSeeds: 300,
    focus: ["ring virtual nodes"],
    edits: [[mergedWatch, "    this.#positions = withoutGaps(this.#positions, this.#takenBefore);\n", ""]],
  },
  {
    name: "a token has the position of another group",
    promise: "a watch after a token tells what comes after it, of all groups",
    withinSeeds: 20,
    edits: [
      [
        "client/positions.ts",
        "return { ...positions, groups: new Map(positions.groups).set(group, position) };",
        "return { ...positions, groups: new Map(positions.groups).set([...positions.groups.keys()][0] ?? group, position) };",
      ],
    ],
  },
  {
    name: "a token stands for what has come, whether or not it was told",
    promise: "a watch after a token misses nothing",
    withinSeeds: 30,
    edits: [
      [
        mergedWatch,
        "        await this.#answers.put({ group, answer });",
        "        this.#positions = after(this.#positions, group, position);\n        await this.#answers.put({ group, answer });",
      ],
    ],
  },
  {
    name: "a removed group counts as told",
    promise: "a watch after a token misses nothing that a removed group had to tell",
    withinSeeds: 60,
    focus: ["ring remove", "ring drain"],
    edits: [[removedGroups, "told.revision >= revision && isOfHistory", "isOfHistory"]],
  },
  {
    name: "a watch through a router goes on from where it began",
    promise: "a watch tells nothing twice",
    withinSeeds: 30,
    edits: [["client/routed-watch.ts", "      token = whole.token;", "      token ??= whole.token;"]],
  },
  {
    name: "a token within a batch stands for all of it",
    promise: "a watch after a token misses nothing",
    withinSeeds: 30,
    edits: [
      [
        "client/watch-events.ts",
        "else if (next.revision !== event.revision) complete = placeAt(event, place);",
        "else complete = placeAt(event, place);",
      ],
    ],
  },
  {
    name: "a router sends a write without a name again after the connection broke",
    promise: "a write without a request id is sent once",
    withinSeeds: 60,
    edits: [
      [
        "rpc/forwarding/repetition.ts",
        'return applied === "no" || kind !== "write";',
        'return applied === "no" || kind.length > 0;',
      ],
    ],
  },
  {
    name: "a router passes a broken connection on as not applied",
    promise: "an error that says that nothing was done is true",
    withinSeeds: 60,
    edits: [
      [
        forwarder,
        "throw unsureIn === undefined ? relayed(error) : outcomeUnknown(unsureIn, error);",
        'throw unsureIn === undefined ? relayed(error) : new OperationError("unavailable", error.message);',
      ],
    ],
  },
  {
    name: "a router forwards a write without its condition",
    promise: "a condition holds wherever a write is sent",
    withinSeeds: 10,
    edits: [
      [
        forwarder,
        '{ case: "put", value }',
        '{ case: "put", value: { ...value, condition: { case: undefined } } }',
      ],
    ],
  },
];
