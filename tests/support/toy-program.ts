/** A toy node as a process of its own: `toy-program.ts PORT [backlog]`. Prints a line once it listens. */

import { createServer } from "node:net";
import process from "node:process";
import { startToyNode } from "./toy-node.ts";

const port = Number(process.argv[2]);
if (process.argv[3] === "backlog") {
  createServer().listen({ port, host: "127.0.0.1", backlog: 1 }, () => console.log("listening"));
} else {
  await startToyNode({
    port,
    // Never answered.
    onPut: ({ key }) => (key === "wait" ? new Promise(() => {}) : undefined),
  });
  console.log("listening");
}
