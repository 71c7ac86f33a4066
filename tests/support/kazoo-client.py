"""A client of ZooKeeper by kazoo, driven by lines of JSON: [name, ...arguments]. Answers each with a line
{"result": ...} or {"error": name of the exception}, and tells watches as {"event": [type, path]}."""

import json
import sys
import threading

from kazoo.client import KazooClient
from kazoo.security import make_digest_acl

printing = threading.Lock()


def tell(line):
    with printing:
        print(json.dumps(line), flush=True)


def on_event(event):
    tell({"event": [event.type, event.path]})


client = KazooClient(hosts=sys.argv[1], timeout=20)
client.start()


def create(path, data, sequence=False):
    return client.create(path, data.encode(), ephemeral=sequence, sequence=sequence)


def create_own(path, user, password):
    acl = make_digest_acl(user, password, read=True, write=True, admin=True)
    return client.create(path, b"", acl=[acl])


def transact(path, version):
    transaction = client.transaction()
    transaction.check(path, version)
    transaction.set_data(path, b"by kazoo")
    return [type(result).__name__ for result in transaction.commit()]


calls = {
    "create": create,
    "createOwn": create_own,
    "addAuth": lambda scheme, auth: client.add_auth(scheme, auth),
    "get": lambda path: client.get(path)[0].decode(),
    "set": lambda path, data: client.set(path, data.encode()).version,
    "acls": lambda path: [[acl.id.scheme, acl.id.id, acl.acl_list] for acl in client.get_acls(path)[0]],
    "children": lambda path: sorted(client.get_children(path)),
    "sync": lambda path: client.sync(path),
    "transact": transact,
    "watch": lambda path: client.exists(path, watch=on_event) is not None,
    "watchChildren": lambda path: sorted(client.get_children(path, watch=on_event)),
}

for line in sys.stdin:
    name, *arguments = json.loads(line)
    try:
        tell({"result": calls[name](*arguments)})
    except Exception as error:
        tell({"error": type(error).__name__})
client.stop()
