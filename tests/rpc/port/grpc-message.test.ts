import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { describe, it } from "node:test";
import { encodeGrpcMessage } from "../../../src/rpc/port/grpc-message.ts";
import { startToyNode } from "../../support/toy-node.ts";

describe("the message of a gRPC status", () => {
  it("is as it is but for what a header field cannot hold", () => {
    assert.equal(
      encodeGrpcMessage("no such method: /a.B/C, 100% & more"),
      "no such method: /a.B/C, 100%25 & more",
    );
    assert.equal(encodeGrpcMessage("key ü\n😀"), "key %C3%BC%0A%F0%9F%98%80");
  });

  it("reaches clients so, from services and from before them", async () => {
    const node = await startToyNode();
    const session = connect(node.baseUrl);
    try {
      /** Field 1, the key, is "a:ü". */
      const message = Uint8Array.of(0, 0, 0, 0, 6, 0x0a, 0x04, 0x61, 0x3a, 0xc3, 0xbc);
      const call = (path: string) => {
        const stream = session.request({
          ":method": "POST",
          ":path": path,
          "content-type": "application/grpc",
          te: "trailers",
        });
        stream.end(message);
        stream.resume();
        return stream;
      };
      const [trailers] = await once(call("/kvlab.v1.DataService/Get"), "trailers");
      assert.equal(trailers["grpc-message"], "no key a:%C3%BC");
      const [headers] = await once(call("/no.Such/Method"), "response");
      assert.equal(headers["grpc-message"], "no such method: /no.Such/Method");
    } finally {
      session.destroy();
      await node.close();
    }
  });
});
