import { getConfigOperation } from "./operations/reconfig.ts";
import type { WatchListener } from "./watch-event.ts";
import { membersOf } from "./wire/ensemble-members.ts";
import type { Session } from "./wire/session.ts";

/**
 * From now on tells a session which members its ensemble has, so that it finds one even when all the servers that it was
 * given have been replaced. The configuration is read at each connection and after each change. An ensemble that names no
 * addresses for clients, and a server that stands alone, change nothing.
 */
export function followEnsemble(session: Session): void {
  const read = () => {
    if (session.states.now !== "connected") return;
    session.request(getConfigOperation(onEvent)).answer.then(
      ({ data }) => session.preferMembers(membersOf(Buffer.from(data).toString())),
      // When the connection was lost, it is read at the next one. Else this server does not let us read it.
      () => {},
    );
  };
  const onEvent: WatchListener = ({ type }) => {
    if (type === "changed") read();
  };
  session.states.listen(read);
}
