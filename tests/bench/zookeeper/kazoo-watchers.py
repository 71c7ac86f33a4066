"""Sessions of kazoo with watches: what watchers-program.ts does, with one-shot watches, as kazoo 2.8 has no others."""

import json
import logging
import resource
import sys
import threading
import time

from kazoo.client import KazooClient

SAY_EVERY_S = 0.05

servers, session_count, watches_per_session = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
told = []
lock = threading.Lock()


def say(line):
    print(json.dumps(line), flush=True)


def watch_once(client, index):
    def changed(event):
        if event.type != "CHANGED":
            return
        with lock:
            told.extend((index, time.time() * 1000))
        watch_once(client, index)

    return client.get_async(f"/watched/{index}/item", watch=changed)


logging.basicConfig()
# Each session has a socket and two more for waking its thread.
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
# So many threads need room for their stacks.
threading.stack_size(256 * 1024)
clients = []
for _ in range(session_count):
    client = KazooClient(hosts=servers, timeout=40)
    client.start(timeout=120)
    clients.append(client)
say({"event": "connected"})
for session, client in enumerate(clients):
    first = session * watches_per_session
    results = [watch_once(client, index) for index in range(first, first + watches_per_session)]
    for result in results:
        result.get(timeout=120)
say({"event": "watching"})
while True:
    time.sleep(SAY_EVERY_S)
    with lock:
        batch = told[:]
        told.clear()
    if batch:
        say({"event": "told", "told": batch})
