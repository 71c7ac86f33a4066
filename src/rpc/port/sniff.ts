/** The protocol with which a client opens its connection, recognized by its first bytes. */

import type { Socket } from "node:net";

export type Opening = "http1" | "http2" | "tls";

/** The HTTP/2 preface begins with `PRI` (RFC 9113, 3.4), and no HTTP/1.1 method does. */
const firstBytes = 3;

/** Content type of a TLS handshake record (RFC 8446, 5.1); no HTTP method begins with it. */
const tlsHandshake = 0x16;

/**
 * Calls `found` when the first bytes have arrived, with the socket as if nothing had been read. The caller must cut off
 * a client that sends fewer bytes and waits. If the client closes its side, the socket is closed.
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
