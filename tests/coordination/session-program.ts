import process from "node:process";
import { openWire } from "../../src/coordination/wire/open-wire.ts";

/** Opens a session, makes an ephemeral znode, and writes each state of the session to its standard output. */
const [connectString = "", path = "", sessionTimeoutMs = "", then = ""] = process.argv.slice(2);
const session = await openWire({ connectString, sessionTimeoutMs: Number(sessionTimeoutMs) })();
session.onState((state) => console.log(state));
await session.create(path, new Uint8Array(), "ephemeral");
console.log("made");
// Nothing else is done to end the process: what a closed session leaves behind would keep it alive.
if (then === "close") await session.close();
