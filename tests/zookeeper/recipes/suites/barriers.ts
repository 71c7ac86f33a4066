import assert from "node:assert/strict";
import { it } from "node:test";
import {
  enterDoubleBarrier,
  liftBarrier,
  passBarrier,
  raiseBarrier,
} from "../../../../src/zookeeper/index.ts";
import { failReads } from "../../../support/lost-answers.ts";
import { failure, inState, withClients } from "../../../support/zookeeper-clients.ts";
import { hasChildren } from "../queued.ts";

export function barrierTests(connectString: string): void {
  it("holds back all until it is lifted", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect, connectThroughProxy }) => {
      const [client, { client: distant, proxy }] = await Promise.all([connect(), connectThroughProxy()]);
      await passBarrier(client, "/a/barrier");
      await liftBarrier(client, "/a/barrier");
      await raiseBarrier(client, "/a/barrier");
      await raiseBarrier(distant, "/a/barrier");
      const passing = [passBarrier(client, "/a/barrier"), passBarrier(distant, "/a/barrier")];
      await failure(passBarrier(client, "/a/barrier", { deadlineMs: 50 }), "DEADLINE_EXCEEDED");
      proxy.setMode("cut");
      await inState(distant, "disconnected");
      await liftBarrier(client, "/a/barrier");
      proxy.setMode("pass");
      await Promise.all(passing);
    }),
  );

  it("waits on, where a server only reads", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      await raiseBarrier(client, "/barrier");
      failReads(client, "sync", 2, "READ_ONLY");
      const passing = passBarrier(client, "/barrier");
      await liftBarrier(client, "/barrier");
      await passing;
    }),
  );

  it("lets in all at once, and out when all have left, again and again", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const clients = await Promise.all([connect(), connect()]);
      const [come, left] = [
        [0, 0, 0],
        [0, 0, 0],
      ];
      const run = async (index: number) => {
        const client = clients[index % 2];
        assert.ok(client);
        for (const use of [0, 1, 2]) {
          come[use] = (come[use] ?? 0) + 1;
          const inside = await enterDoubleBarrier(client, "/double", { members: 4 });
          assert.equal(come[use], 4);
          left[use] = (left[use] ?? 0) + 1;
          await inside.leave();
          assert.equal(left[use], 4);
        }
      };
      await Promise.all([0, 1, 2, 3].map(run));
      const [client] = clients;
      assert.ok(client);
      await hasChildren(client, "/double", 0);
    }),
  );

  it(
    "lets nobody in because of what an earlier use has left, nor because of those inside",
    {
      timeout: 30_000,
    },
    () =>
      withClients(connectString, async ({ connect }) => {
        const client = await connect();
        await client.createAll("/double/ready");
        const enter = () => enterDoubleBarrier(client, "/double", { members: 2 });
        await failure(
          enterDoubleBarrier(client, "/double", { members: 2, deadlineMs: 300 }),
          "DEADLINE_EXCEEDED",
        );
        const [first, second] = await Promise.all([enter(), enter()]);
        const late = enterDoubleBarrier(client, "/double", { members: 2, deadlineMs: 300 });
        await failure(late, "DEADLINE_EXCEEDED");
        const third = enter();
        // The two inside, the third and `ready`.
        await hasChildren(client, "/double", 4);
        await Promise.all([first.leave(), second.leave()]);
        await hasChildren(client, "/double", 1);
        const fourth = enter();
        await Promise.all([(await third).leave(), (await fourth).leave()]);
        await hasChildren(client, "/double", 0);
      }),
  );

  it("lets in who was disconnected from when all had come until others left", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect, connectThroughProxy }) => {
      const [client, { client: distant, proxy }] = await Promise.all([connect(), connectThroughProxy()]);
      const distantInside = enterDoubleBarrier(distant, "/double", { members: 3 });
      await hasChildren(client, "/double", 1);
      await distant.sync();
      proxy.setMode("cut");
      await inState(distant, "disconnected");
      const enter = () => enterDoubleBarrier(client, "/double", { members: 3 });
      const near = await Promise.all([enter(), enter()]);
      const leaving = near.map((inside) => inside.leave());
      // At least one of them and `ready` have gone.
      await client.exists("/double/ready").then((found) => found && client.sync());
      proxy.setMode("pass");
      await (await distantInside).leave();
      await Promise.all(leaving);
      await hasChildren(client, "/double", 0);
    }),
  );

  it("does not wait for one who gives up or goes while the others leave", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const [client, other, third] = await Promise.all([connect(), connect(), connect()]);
      const inside = await Promise.all(
        [client, other, third].map((each) => enterDoubleBarrier(each, "/double", { members: 3 })),
      );
      const leaving = inside[0]?.leave();
      await failure(inside[1]?.leave({ deadlineMs: 100 }) ?? assert.fail(), "DEADLINE_EXCEEDED");
      await third.close();
      await leaving;
      assert.ok(inside[2]?.signal.aborted);
      await failure(enterDoubleBarrier(client, "/double", { members: 0 }), "BAD_ARGUMENTS");
      await hasChildren(client, "/double", 0);
    }),
  );
}
