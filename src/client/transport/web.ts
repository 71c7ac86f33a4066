/** The calling side in browsers, on `fetch`. */

import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";

/** Browsers cannot send streams, and open at most six connections to an address over HTTP/1.1. */
export const fullDuplex = false;

/** Schemes of the URLs that it can call. TLS ends at a proxy, because routers have none. */
export const schemes = ["http", "https"];

/** As in http2.ts. A broken connection is UNAVAILABLE, and does not say whether the call was processed. */
export function createTransports() {
  const closing = new AbortController();
  const transports = new Map<string, Transport>();
  const open = (baseUrl: string) =>
    createConnectTransport({
      baseUrl,
      useBinaryFormat: true,
      fetch: (input, init) =>
        fetch(input, {
          ...init,
          signal: init?.signal ? AbortSignal.any([init.signal, closing.signal]) : closing.signal,
        }),
      interceptors: [tellingBreaks(baseUrl)],
    });
  return {
    transportTo(address: string | URL): Transport {
      const text = String(address);
      const baseUrl = new URL(text.includes("://") ? text : `http://${text}`).href;
      const transport = transports.get(baseUrl) ?? open(baseUrl);
      transports.set(baseUrl, transport);
      return transport;
    },
    /** There are none. */
    duplexTo: undefined,
    close() {
      closing.abort();
      transports.clear();
    },
  };
}

/** Turns errors of `fetch` into errors like those of the server. */
function tellingBreaks(baseUrl: string): Interceptor {
  const told = (reason: unknown, signal: AbortSignal): ConnectError => {
    const error = ConnectError.from(reason);
    if (error.isWireError || signal.aborted) return error;
    const message = `${baseUrl}: the connection failed: ${error.rawMessage}`;
    return new ConnectError(message, Code.Unavailable, undefined, undefined, error);
  };
  async function* telling<T>(messages: AsyncIterable<T>, signal: AbortSignal): AsyncIterable<T> {
    try {
      yield* messages;
    } catch (reason) {
      throw told(reason, signal);
    }
  }
  return (next) => async (request) => {
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: telling(response.message, request.signal) } : response;
    } catch (reason) {
      throw told(reason, request.signal);
    }
  };
}
