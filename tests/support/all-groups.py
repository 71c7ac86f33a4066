"""Scans or watches all keys with a prefix, through one router and without a topology.

Usage: all-groups.py DESCRIPTORS ROUTER scan|watch PREFIX [TOKEN]

DESCRIPTORS is the schema as `buf build` writes it. Prints one line of JSON for each answer. A scan waits after its first
answer for a line on standard input.
"""

import json
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

descriptors, router, call, prefix, *token = sys.argv[1:]

pool = descriptor_pool.DescriptorPool()
with open(descriptors, "rb") as file:
    for each in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file:
        pool.Add(each)


def message(name):
    descriptor = pool.FindMessageTypeByName("kvlab.v1." + name)
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)


def tell(**answer):
    print(json.dumps(answer), flush=True)


def stream(channel, name):
    return channel.unary_stream(
        "/kvlab.v1.DataService/" + name,
        request_serializer=message(name + "Request").SerializeToString,
        response_deserializer=message(name + "Response").FromString,
    )


with grpc.insecure_channel(router) as channel:
    try:
        if call == "scan":
            request = message("ScanRequest")(prefix=prefix)
            for index, answer in enumerate(stream(channel, "Scan")(request)):
                tell(keys=[item.key for item in answer.items], token=answer.watch_token)
                if index == 0:
                    sys.stdin.readline()
            tell(end=True)
        else:
            request = message("WatchRequest")(prefix=prefix)
            if token:
                request.after_token = token[0]
            for answer in stream(channel, "Watch")(request):
                events = [[event.key, event.revision] for event in answer.events]
                tell(events=events, token=answer.token, complete=answer.complete)
    except grpc.RpcError as error:
        tell(error=str(error.code()), message=error.details())
        sys.exit(1)
