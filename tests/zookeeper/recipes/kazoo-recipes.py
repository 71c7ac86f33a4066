"""The recipes of kazoo, driven by lines of JSON: {"id", "object", "call", "args"}. A call that waits does so in a thread
of its own. Answers: {"id", "result"} or {"id", "error"}. The objects are made by "make", of a class of kazoo."""
import json
import logging
import sys
import threading

from kazoo.client import KazooClient

logging.disable(logging.CRITICAL)
client = KazooClient(hosts=sys.argv[1])
client.start()
objects = {}
output = threading.Lock()


def answer(message):
    with output:
        print(json.dumps(message), flush=True)


def make(name, kind, args, options):
    objects[name] = getattr(client, kind)(*args, **options)


def perform(request):
    name, call, args = request["object"], request["call"], request["args"]
    if call == "make":
        return make(name, *args)
    target = objects[name]
    if call == "list":
        return sorted(target)
    if call == "value":
        return target.value
    if call == "add":
        target += args[0]
        return target.post_value
    if call == "run":
        # Leads until "stop" is called.
        leading, stop = threading.Event(), threading.Event()
        objects[name + " stop"] = stop
        threading.Thread(target=target.run, args=(lambda: (leading.set(), stop.wait()),), daemon=True).start()
        return leading.wait()
    if call == "stop":
        return objects[name + " stop"].set()
    return getattr(target, call)(*args)


def work(request):
    try:
        answer({"id": request["id"], "result": perform(request)})
    except Exception as error:
        answer({"id": request["id"], "error": repr(error)})


for line in sys.stdin:
    threading.Thread(target=work, args=(json.loads(line),), daemon=True).start()
