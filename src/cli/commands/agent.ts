import process from "node:process";
import { messageOf } from "../../common/message-of.ts";
import { hostOf } from "../../settings/announced.ts";
import { NOT_ALLOWED } from "../../settings/exit-codes.ts";
import { agentProgram } from "../../settings/programs.ts";
import { ExitError } from "../../settings/run-main.ts";
import { command } from "../command.ts";
import { untilInterrupted } from "../session.ts";

export const agentCommand = command(agentProgram, async ({ serverip, intervalms, ...settings }) => {
  const signal = untilInterrupted();
  // Loaded only when it is run: no other command needs a ZooKeeper client.
  const { startAgent } = await import("../../agent/start-agent.ts");
  const agent = startAgent({
    ...settings,
    serverIp: hostOf(serverip) ?? serverip,
    intervalMs: intervalms,
    onRegistered: (path) => tell(`registered as ${path}`),
    onDiagnostic: tell,
  });
  const stop = () => void agent.stop();
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    await agent.done;
    return 0;
  } catch (error) {
    // No retry mends an address or credentials.
    throw new ExitError(NOT_ALLOWED, messageOf(error), {
      cause: error,
    });
  }
});

function tell(message: string): void {
  process.stderr.write(`kvlab agent: ${message}\n`);
}
