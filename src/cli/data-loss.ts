import { ConnectError } from "@connectrpc/connect";
import { type DataLoss, DataLossSchema } from "../../gen/kvlab/v1/errors_pb.ts";
import { ExitError } from "../settings/run-main.ts";

/** What `Recover` is sent of what an operator accepts. */
export interface Consent {
  readonly acceptDataLoss?: true;
  /** Undefined: whatever there is to lose. */
  readonly accepted?: DataLoss;
}

/**
 * What a recovery without consent was refused for, in words and as what to consent to. A router of an earlier version says it
 * in words only. Rejects with any other failure of `asked`.
 */
export async function lossOf(asked: Promise<unknown>): Promise<{ words: string; consent: Consent }> {
  const failure = await asked.then(
    () => undefined,
    (error: unknown) => error,
  );
  const refusal = failure instanceof ExitError ? failure.cause : undefined;
  if (!(refusal instanceof ConnectError)) throw failure;
  const [accepted] = refusal.findDetails(DataLossSchema);
  if (accepted !== undefined) return { words: accepted.loss, consent: { acceptDataLoss: true, accepted } };
  if (!refusal.rawMessage.includes("accept_data_loss")) throw failure;
  return { words: refusal.rawMessage, consent: { acceptDataLoss: true } };
}
