import { DataNodeRegistrar } from "../../src/cluster/membership/data-node-registrar.ts";
import type { AskWhoAnswers, Register } from "../../src/cluster/membership/registration.ts";
import { RegistrationKeeper } from "../../src/cluster/membership/registration-keeper.ts";
import { RouterRegistrar } from "../../src/cluster/membership/router-registrar.ts";
import { encodeText } from "../../src/cluster/metadata/codec.ts";
import { SessionKeeper } from "../../src/cluster/metadata/session-keeper.ts";
import type { Access, Coordination, OpenSession } from "../../src/coordination/coordination.ts";
import { EmbeddedCoordination } from "../../src/coordination/embedded/service.ts";
import { addressOf } from "./address.ts";
import { type SkippingClock, skippingClock } from "./skipping-clock.ts";

/** A process that does nothing but register. */
export interface Member {
  readonly sessions: SessionKeeper;
  readonly registration: RegistrationKeeper;
  /** Number of each registration in turn; undefined where there was none. */
  readonly numbers: (number | undefined)[];
  readonly diagnostics: string[];
  /** Resolves with the first of `numbers`. */
  readonly registered: Promise<number>;
  /** Resolves with the first of `diagnostics`. */
  readonly troubled: Promise<string>;
}

/** An embedded coordination service with members, and a session that looks at their znodes. */
export class Members {
  readonly clock: SkippingClock;
  readonly service: EmbeddedCoordination;
  readonly observer: Coordination;

  private constructor(clock: SkippingClock, service: EmbeddedCoordination, observer: Coordination) {
    this.clock = clock;
    this.service = service;
    this.observer = observer;
  }

  static async start(): Promise<Members> {
    const clock = skippingClock();
    const service = await EmbeddedCoordination.start({ clock });
    return new Members(clock, service, await service.opener()());
  }

  /** Who answers at an address. Default: whoever asks. */
  whoAnswers: AskWhoAnswers = async () => "self";

  router(address: string, open?: OpenSession, access?: Access): Member {
    const registrar = new RouterRegistrar(addressOf(address), this.whoAnswers);
    return this.#member((task) => registrar.register(task), open, access);
  }

  node(group: string, address: string, number?: number, open?: OpenSession): Member {
    const { whoAnswers } = this;
    const registrar = new DataNodeRegistrar({ group, address: addressOf(address), number, whoAnswers });
    return this.#member((task) => registrar.register(task), open);
  }

  #member(register: Register, open = this.service.opener(), access: Access = "open"): Member {
    const numbers: (number | undefined)[] = [];
    const diagnostics: string[] = [];
    const trouble = Promise.withResolvers<string>();
    const onDiagnostic = (message: string) => {
      diagnostics.push(message);
      trouble.resolve(message);
    };
    const { clock } = this;
    const sessions = new SessionKeeper({ open, clock, onDiagnostic });
    const first = Promise.withResolvers<number>();
    const registration = new RegistrationKeeper({
      sessions,
      clock,
      access,
      register,
      onDiagnostic,
      onChange(next) {
        numbers.push(next?.number);
        if (next !== undefined) first.resolve(next.number);
      },
    });
    return {
      sessions,
      registration,
      numbers,
      diagnostics,
      registered: first.promise,
      troubled: trouble.promise,
    };
  }

  /** Resolves once nothing is left to do. */
  idle(): Promise<void> {
    return this.clock.idle();
  }

  /** The numbered children of a znode, with their data. */
  async numbered(path: string): Promise<Record<string, string>> {
    const names = (await this.observer.children(path)).filter((name) => /^\d+$/.test(name));
    const entries = names.map(async (name) => [name, await this.text(`${path}/${name}`)] as const);
    return Object.fromEntries(await Promise.all(entries));
  }

  async text(path: string): Promise<string> {
    return new TextDecoder().decode((await this.observer.get(path)).data);
  }

  /** Sets a znode as an operator would. */
  async overwrite(path: string, text: string): Promise<void> {
    const { stat } = await this.observer.get(path);
    await this.observer.set(path, encodeText(text), stat.version);
  }

  async remove(path: string): Promise<void> {
    const { stat } = await this.observer.get(path);
    await this.observer.delete(path, stat.version);
  }

  expire(member: Member): void {
    if (member.sessions.current !== undefined) this.service.expire(member.sessions.current);
  }
}
