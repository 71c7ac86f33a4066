import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CasRegister } from "../../../src/cluster/metadata/cas-register.ts";
import type { GroupState, Member, Versioned } from "../../../src/cluster/metadata/model.ts";
import { GroupRegister } from "../../../src/cluster/replication/group-register.ts";
import { InSyncSet } from "../../../src/cluster/replication/in-sync-set.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

function node(number: number, incarnation = `${number}0`): Member {
  return { number, incarnation };
}

/** A register whose answers wait until the test gives them. */
class HeldRegister implements CasRegister<GroupState> {
  readonly connected = true;
  readonly sets: number[][] = [];
  state: Versioned<GroupState>;
  /** Of the compare-and-set under way: it is made, or its answer is lost, be it made or not. */
  answer: (how: "made" | "made, lost" | "lost") => void = () => assert.fail("nothing is under way");
  readAnswer: () => void = () => assert.fail("no read is under way");

  constructor(...inSync: Member[]) {
    this.state = { value: { epoch: 1, primary: node(1), inSync }, version: 1 };
  }

  create(): Promise<never> {
    return Promise.reject(new Error("there is a state"));
  }

  read(): Promise<Versioned<GroupState>> {
    return new Promise((resolve) => {
      this.readAnswer = () => resolve(this.state);
    });
  }

  compareAndSet(value: GroupState, version: number): Promise<Versioned<GroupState>> {
    this.sets.push(value.inSync.map(({ number }) => number));
    return new Promise((resolve, reject) => {
      this.answer = (how) => {
        if (how !== "lost") this.state = { value, version: version + 1 };
        if (how === "made") resolve(this.state);
        else reject(new Error("connection lost"));
      };
    });
  }
}

/** The set of a primary, node 1, over a register that holds its answers back. */
function withMembers(...inSync: Member[]) {
  const clock = new VirtualClock();
  const register = new HeldRegister(...inSync);
  const failures: unknown[] = [];
  const onFailure = (error: unknown) => failures.push(error);
  const set = new InSyncSet({
    state: register.state,
    self: 1,
    register: new GroupRegister(register, onFailure),
    clock,
    signal: new AbortController().signal,
    onChange: () => {},
    onDeposed: () => {},
    onFailure,
  });
  /** Lets what has been answered take effect. */
  const settle = async () => {
    await clock.pass(0);
    assert.deepEqual(failures, []);
  };
  return { clock, register, set, settle };
}

const numbers = (members: readonly Member[]) => members.map(({ number }) => number);

describe("a change of the in-sync set", () => {
  it("is pending from its compare-and-set to the answer, and the standby is required all the time", async () => {
    const { register, set, settle } = withMembers(node(1));
    assert.equal(set.change, "settled");
    set.join(node(2));
    assert.equal(set.change, "pending");
    assert.deepEqual([numbers(set.members), numbers(set.required)], [[1], [2]]);
    register.answer("made");
    await settle();
    assert.equal(set.change, "settled");
    assert.deepEqual([numbers(set.members), numbers(set.required)], [[1, 2], [2]]);
  });

  for (const how of ["made, lost", "lost"] as const) {
    it(`is uncertain when its answer is lost, until a read shows that it was ${how === "lost" ? "not " : ""}made`, async () => {
      const { clock, register, set, settle } = withMembers(node(1));
      set.join(node(2));
      register.answer(how);
      await settle();
      assert.equal(set.change, "uncertain");
      assert.deepEqual(numbers(set.required), [2]);
      register.readAnswer();
      await settle();
      if (how === "lost") {
        await clock.pass(1000);
        assert.equal(set.change, "pending", "it is tried again");
        register.answer("made");
        await settle();
      }
      assert.equal(set.change, "settled");
      assert.deepEqual(numbers(set.members), [1, 2]);
    });
  }

  it("keeps a standby required that falls silent while its joining is pending", async () => {
    const { register, set, settle } = withMembers(node(1));
    set.join(node(2));
    set.leave(node(2));
    assert.deepEqual(numbers(set.required), [2]);
    register.answer("made");
    await settle();
    assert.deepEqual([numbers(set.members), numbers(set.required)], [[1, 2], [2]]);
    register.answer("made");
    await settle();
    assert.deepEqual([numbers(set.members), numbers(set.required)], [[1], []]);
  });

  it("keeps a member required until it is known to be out of the set", async () => {
    const { register, set, settle } = withMembers(node(1), node(2));
    set.leave(node(2));
    register.answer("made, lost");
    await settle();
    assert.deepEqual(numbers(set.required), [2]);
    register.readAnswer();
    await settle();
    assert.deepEqual(numbers(set.required), []);
  });

  it("is one at a time: those that leave at once, then each that joins", async () => {
    const { register, set, settle } = withMembers(node(1), node(2), node(3));
    set.leave(node(2));
    set.leave(node(3));
    set.join(node(4));
    set.join(node(5));
    for (let count = 0; count < 4; count++) {
      register.answer("made");
      await settle();
    }
    assert.deepEqual(register.sets, [[1, 3], [1], [1, 4], [1, 4, 5]]);
    assert.equal(set.change, "settled");
  });

  it("takes an earlier life of a standby out before the later one joins", async () => {
    const { register, set, settle } = withMembers(node(1), node(2, "20"));
    set.join(node(2, "25"));
    register.answer("made");
    await settle();
    register.answer("made");
    await settle();
    assert.deepEqual(register.sets, [[1], [1, 2]]);
    assert.deepEqual(set.members, [node(1), node(2, "25")]);
  });
});
