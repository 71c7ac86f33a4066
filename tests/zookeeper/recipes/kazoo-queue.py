"""A LockingQueue of kazoo. Arguments: servers, path. Carries out lines of JSON: a method and its arguments, of which
values are texts; and answers each with the result."""
import json
import logging
import sys

from kazoo.client import KazooClient

logging.disable(logging.CRITICAL)
client = KazooClient(hosts=sys.argv[1], timeout=2)
client.start()
queue = client.LockingQueue(sys.argv[2])

for line in sys.stdin:
    method, *args = json.loads(line)
    if method == "size":
        result = len(queue)
    else:
        args = [each.encode() if isinstance(each, str) else each for each in args]
        result = getattr(queue, method)(*args)
    print(json.dumps(result.decode() if isinstance(result, bytes) else result), flush=True)
