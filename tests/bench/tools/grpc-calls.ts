import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import {
  BatchRequestSchema,
  GetRequestSchema,
  PutRequestSchema,
  ScanRequestSchema,
} from "../../../gen/kvlab/v1/data_pb.ts";
import type { GrpcCall } from "./grpc.ts";

type Pair = readonly [key: string, value: Uint8Array];

/** The same work as calls of one system. */
export interface GrpcCalls {
  put(pair: Pair): GrpcCall;
  get(key: string): GrpcCall;
  /** Writes all pairs as one step. */
  batch(pairs: readonly Pair[]): GrpcCall;
  /** The first keys from `start` on, in order, with their values. */
  scan(start: string, limit: number): GrpcCall;
}

const putMessage = ([key, bytes]: Pair) =>
  create(PutRequestSchema, { key, value: { case: "bytes", value: bytes } });

export const kvlabCalls: GrpcCalls = {
  put: (pair) => ({
    path: "/kvlab.v1.DataService/Put",
    message: toBinary(PutRequestSchema, putMessage(pair)),
  }),
  get: (key) => ({
    path: "/kvlab.v1.DataService/Get",
    message: toBinary(GetRequestSchema, create(GetRequestSchema, { key })),
  }),
  batch(pairs) {
    const operations = pairs.map((pair) => ({
      operation: { case: "put", value: putMessage(pair) } as const,
    }));
    return {
      path: "/kvlab.v1.DataService/Batch",
      message: toBinary(BatchRequestSchema, create(BatchRequestSchema, { operations })),
    };
  },
  scan(start, limit) {
    const request = create(ScanRequestSchema, { start, limit: BigInt(limit) });
    return { path: "/kvlab.v1.DataService/Scan", message: toBinary(ScanRequestSchema, request) };
  },
};

/** Of etcd's `rpc.proto`, of which a few fields are not worth a schema. */
export const etcdCalls: GrpcCalls = {
  put: (pair) => ({ path: "/etcdserverpb.KV/Put", message: etcdPut(pair).finish() }),
  // A range of one key, linearizable by default.
  get: (key) => ({
    path: "/etcdserverpb.KV/Range",
    message: new BinaryWriter().tag(1, 2).string(key).finish(),
  }),
  batch(pairs) {
    const txn = new BinaryWriter();
    // TxnRequest.success, each a RequestOp with request_put.
    for (const pair of pairs) {
      const operation = new BinaryWriter().tag(2, 2).bytes(etcdPut(pair).finish()).finish();
      txn.tag(2, 2).bytes(operation);
    }
    return { path: "/etcdserverpb.KV/Txn", message: txn.finish() };
  },
  scan(start, limit) {
    // To range_end "\0", which means the last key.
    const range = new BinaryWriter().tag(1, 2).string(start).tag(2, 2).string("\0").tag(3, 0).int64(limit);
    return { path: "/etcdserverpb.KV/Range", message: range.finish() };
  },
};

function etcdPut([key, value]: Pair): BinaryWriter {
  return new BinaryWriter().tag(1, 2).string(key).tag(2, 2).bytes(value);
}
