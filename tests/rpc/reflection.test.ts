import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, createClient } from "@connectrpc/connect";
import { ServerReflection as V1 } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as V1Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { bufCurl } from "../support/buf-curl.ts";
import { startToyNode, type ToyNode, transportsTo } from "../support/toy-node.ts";

const timeout = 60_000;
let node: ToyNode;
before(async () => {
  node = await startToyNode();
});
after(async () => {
  await node.close();
});

const services = [
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
  "kvlab.v1.DataService",
  "kvlab.v1.RouterService",
];

type Question =
  | { case: "fileByFilename" | "fileContainingSymbol" | "allExtensionNumbersOfType"; value: string }
  | { case: "listServices"; value: string }
  | { case: "fileContainingExtension"; value: { containingType: string; extensionNumber: number } }
  | { case: undefined };

for (const version of [V1, V1Alpha] as const) {
  describe(version.typeName, () => {
    /** Asks over one stream, and returns the answers with the names of the files in them. */
    async function ask(...questions: Question[]) {
      const client = createClient(version as typeof V1, transportsTo(node.baseUrl).gRPC);
      async function* requests() {
        for (const messageRequest of questions) yield { host: "here", messageRequest };
      }
      const answers = [];
      for await (const { messageResponse, validHost, originalRequest } of client.serverReflectionInfo(
        requests(),
      )) {
        assert.equal(validHost, "here");
        assert.equal(originalRequest?.messageRequest.case, questions[answers.length]?.case);
        answers.push(messageResponse);
      }
      return answers.map((answer) => {
        if (answer.case !== "fileDescriptorResponse") return answer;
        const files = answer.value.fileDescriptorProto.map((bytes) =>
          fromBinary(FileDescriptorProtoSchema, bytes),
        );
        return { case: "files", value: files.map(({ name }) => name) } as const;
      });
    }

    it("lists the services", async () => {
      const [answer] = await ask({ case: "listServices", value: "" });
      assert.ok(answer?.case === "listServicesResponse");
      assert.deepEqual(
        answer.value.service.map(({ name }) => name),
        services,
      );
    });

    it("gives a file with what it imports, and what a stream has carried only once", async () => {
      const answers = await ask(
        { case: "fileByFilename", value: "kvlab/v1/data.proto" },
        { case: "fileByFilename", value: "kvlab/v1/router.proto" },
        { case: "fileByFilename", value: "kvlab/v1/data.proto" },
      );
      assert.deepEqual(
        answers.map(({ value }) => value),
        [
          ["kvlab/v1/data.proto", "google/protobuf/any.proto", "kvlab/v1/topology.proto"],
          ["kvlab/v1/router.proto"],
          ["kvlab/v1/data.proto"],
        ],
      );
    });

    it("keeps no server that stops waiting for another question", { timeout }, async () => {
      // Longer than the test may take.
      const stopping = await startToyNode({ drainMs: 2 * timeout });
      const client = createClient(version as typeof V1, transportsTo(stopping.baseUrl).gRPC);
      const isOver = Promise.withResolvers<void>();
      async function* requests() {
        yield { messageRequest: { case: "listServices", value: "" } } as const;
        await isOver.promise;
      }
      const answers = client.serverReflectionInfo(requests())[Symbol.asyncIterator]();
      await answers.next();
      const stopped = stopping.close();
      await assert.rejects(answers.next(), { code: Code.Unavailable });
      isOver.resolve();
      await stopped;
    });

    it("finds the file of every kind of symbol", async () => {
      const symbols = [
        "kvlab.v1.DataService",
        "kvlab.v1.DataService.Get",
        "kvlab.v1.GetRequest",
        "kvlab.v1.GetRequest.key",
        "kvlab.v1.PutRequest.value",
        "kvlab.v1.NodeRole",
        "kvlab.v1.NODE_ROLE_PRIMARY",
        "grpc.health.v1.HealthCheckResponse.SERVING",
      ];
      const answers = await Promise.all(symbols.map((value) => ask({ case: "fileContainingSymbol", value })));
      assert.deepEqual(
        answers.map(([answer]) => (answer?.case === "files" ? answer.value[0] : answer)),
        [
          ...Array(5).fill("kvlab/v1/data.proto"),
          ...Array(2).fill("kvlab/v1/topology.proto"),
          "grpc/health/v1/health.proto",
        ],
      );
    });

    it("reports what it does not know, and continues", async () => {
      const answers = await ask(
        { case: "fileByFilename", value: "no.proto" },
        { case: "fileContainingSymbol", value: "kvlab.v1.No" },
        {
          case: "fileContainingExtension",
          value: { containingType: "kvlab.v1.GetRequest", extensionNumber: 7 },
        },
        { case: "allExtensionNumbersOfType", value: "kvlab.v1.No" },
        { case: undefined },
        { case: "allExtensionNumbersOfType", value: "kvlab.v1.GetRequest" },
      );
      const codes = answers.map((answer) =>
        answer.case === "errorResponse" ? answer.value.errorCode : undefined,
      );
      const { NotFound, InvalidArgument } = Code;
      assert.deepEqual(codes, [NotFound, NotFound, NotFound, NotFound, InvalidArgument, undefined]);
      const last = answers.at(-1);
      assert.ok(last?.case === "allExtensionNumbersResponse");
      assert.deepEqual(last.value.extensionNumber, []);
    });
  });
}

describe("buf curl without a schema", () => {
  const http2 = "--http2-prior-knowledge";
  for (const protocol of ["grpc", "grpcweb", "connect"]) {
    it(`puts and gets over ${protocol}`, { timeout }, async () => {
      const service = `${node.baseUrl}/kvlab.v1.DataService`;
      const data = JSON.stringify({ key: protocol, text: "hello" });
      const answer = await bufCurl(http2, "--protocol", protocol, "-d", data, `${service}/Put`);
      assert.deepEqual(JSON.parse(answer), { revision: "1" });
      const got = await bufCurl(
        http2,
        "--protocol",
        protocol,
        "-d",
        JSON.stringify({ key: protocol }),
        `${service}/Get`,
      );
      assert.deepEqual(JSON.parse(got), { text: "hello", revision: "1" });
      const missing = bufCurl(http2, "--protocol", protocol, "-d", '{"key": "none"}', `${service}/Get`);
      await assert.rejects(missing, /"code": "not_found",\s+"message": "no key none"/);
    });

    it(`reads a stream over ${protocol}`, { timeout }, async () => {
      const url = `${node.baseUrl}/kvlab.v1.RouterService/WatchTopology`;
      const answer = await bufCurl(http2, "--protocol", protocol, url);
      assert.deepEqual(answer.match(/"ringVersion":\s*"\d"/g)?.length, 2);
    });
  }

  it("lists the methods, by either version of reflection", { timeout }, async () => {
    for (const version of ["grpc-v1", "grpc-v1alpha"]) {
      const list = await bufCurl(http2, "--reflect-protocol", version, "--list-methods", node.baseUrl);
      assert.ok(list.includes("kvlab.v1.DataService/Put"), list);
    }
  });

  it("needs reflection to be over HTTP/2 alone", { timeout }, async () => {
    const url = `${node.baseUrl}/kvlab.v1.DataService/Put`;
    const answer = await bufCurl(
      "--schema",
      "proto",
      "--protocol",
      "connect",
      "-d",
      '{"key": "h1", "text": "a"}',
      url,
    );
    assert.deepEqual(JSON.parse(answer), { revision: "1" });
  });
});
