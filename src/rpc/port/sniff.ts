/** Which protocol a client opens its connection with, told by its first bytes. */

import type { Socket } from "node:net";

export type Opening = "http1" | "http2" | "tls";

/** `PRI` begins the HTTP/2 preface (RFC 9113, 3.4) and no HTTP/1.1 method. */
const firstBytes = 3;

/** Content type of a TLS handshake record (RFC 8446, 5.1); no HTTP method begins with it. */
const tlsHandshake = 0x16;

/**
 * Calls `found` once the first bytes are there, with the socket as if nothing had been read. A client that sends
 * less than that and waits is the caller's to cut off; one that hangs up is hung up on.
 */
export function sniff(socket: Socket, found: (opening: Opening) => void): void {
  const onReadable = () => {
    const head: unknown = socket.read(firstBytes);
    if (!(head instanceof Uint8Array)) return;
    socket.off("readable", onReadable);
    socket.off("end", hangUp);
    socket.unshift(head);
    found(openingOf(head));
  };
  const hangUp = () => socket.destroy();
  socket.on("readable", onReadable);
  socket.once("end", hangUp);
}

function openingOf(head: Uint8Array): Opening {
  if (head[0] === tlsHandshake) return "tls";
  return new TextDecoder("latin1").decode(head) === "PRI" ? "http2" : "http1";
}
