import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Scopes } from "@authmesh/core";
import { type FeedHead, firstFeedDigest } from "@authmesh/oath/feed";
import { verifyAuditLog } from "@authmesh/oath/node";
import { expect, vi } from "vitest";
import { freePort } from "../../../../test/fixtures/free-port.js";
import { openAuthorityState } from "../../src/open-state.js";
import { authorityEnv, startAuthority } from "../authority-process.js";
import { Account, post } from "../enrollment/account.js";
import { CopiedState, FeedReader } from "../feed-reader.js";
import { Device } from "../running-authority.js";
import { type Backend, temporaryFolder } from "../stores.js";
import { Ledger, type Standing } from "./ledger.js";

const clients = 3;
/** The server is killed when it has acknowledged at most so many. */
const longestLife = 40;

const wide: Scopes = { __manage: "rw", orders: "rw" };
const narrow: Scopes = { orders: "r" };
/** How the ledger calls those that are approved, by their scopes. */
const standings: Readonly<Record<string, Standing>> = {
  [JSON.stringify(wide)]: "approved",
  [JSON.stringify(narrow)]: "narrowed",
};

/** What the feed says of an enrollment's device. */
const inFeed: Readonly<Record<Standing, object>> = {
  none: { scopes: undefined, isRevoked: false },
  pending: { scopes: undefined, isRevoked: false },
  approved: { scopes: wide, isRevoked: false },
  narrowed: { scopes: narrow, isRevoked: false },
  revoked: { scopes: undefined, isRevoked: true },
  deleted: { scopes: undefined, isRevoked: true },
};

interface Machine {
  readonly device: Device;
  readonly id: string;
  readonly name: string;
}

interface Told {
  readonly deviceName: string;
  readonly status: "pending" | "approved" | "revoked";
  readonly scopes: Scopes;
}

/** An authority that clients keep enrolling at, and that is killed again and again. */
export class KilledAuthority {
  readonly #dir = temporaryFolder();
  readonly #ledger = new Ledger();
  readonly #devices = new Map<string, Device>();
  readonly #port: number;
  readonly #env: Readonly<Record<string, string>>;
  #account: Account | undefined;
  #drawn = 0;
  /** The last that a verifier was told. */
  #heard: FeedHead | undefined;
  /** Of each operation that no answer came to, whether it had been done. */
  readonly unanswered: boolean[] = [];

  private constructor(port: number, env: Readonly<Record<string, string>>) {
    this.#port = port;
    this.#env = env;
  }

  static async over(backend: Backend): Promise<KilledAuthority> {
    const place = await backend.place();
    const env: Record<string, string> = "url" in place ? { DATABASE_URL: place.url } : {};
    const killed = new KilledAuthority(await freePort(), env);
    const state = await openAuthorityState({
      dir: killed.#dir,
      env: { ...authorityEnv, ...env },
      create: true,
    });
    killed.#account = await Account.open({ url: killed.url, authority: { state } });
    await state.close();
    return killed;
  }

  get url(): string {
    return `http://localhost:${this.#port}`;
  }

  get acknowledged(): number {
    return this.#ledger.acknowledged;
  }

  /** @param moments 0 to 1: when, in each of its lives, the server is killed */
  async live(moments: Iterable<number>): Promise<void> {
    let server = await this.#start();
    for (const moment of moments) {
      const work = [...Array(clients).fill(() => this.#lives()), () => this.#listen()];
      const running = Promise.all(work.map((each) => untilKilled(server.child, each)));
      const last = this.acknowledged + moment * longestLife;
      const isOver = () => this.acknowledged > last;
      await Promise.race([running, vi.waitUntil(isOver, { timeout: 30_000, interval: 1 + 20 * moment })]);
      server.child.kill("SIGKILL");
      await Promise.all([server.ended, running]);
      server = await this.#start();
      await this.#inspect();
    }
    server.child.kill("SIGTERM");
    expect(await server.ended).toBe(0);
    expect(await verifyAuditLog([this.#auditPath])).toMatchObject({ findingCount: 0 });
  }

  #start() {
    const limits = ["caller", "address"].flatMap((who) => ["--limit", `${who}=10000000`]);
    return startAuthority(this.#dir, { port: this.#port, args: limits, env: this.#env });
  }

  /** Hears what a verifier is told. */
  async #listen(): Promise<never> {
    const { name, master } = this.#accountOf;
    const reader = await FeedReader.open(this.url, master);
    const events = await reader.events(name);
    for (;;) this.#heard = await events.nextOf("head");
  }

  async #lives(): Promise<never> {
    for (;;) await this.#life();
  }

  /** A machine that lets in two others; then they go. */
  async #life(): Promise<void> {
    const parent = await this.#enrolled(this.#accountOf.master);
    const children = [await this.#enrolled(parent.device), await this.#enrolled(parent.device)] as const;
    const [one, other] = children;
    await this.#decide("narrow", "narrowed", [one], { scopes: narrow });
    await this.#decide("revoke", "revoked", [parent, one, other], { cascade: true });
    await this.#decide("unrevoke", "approved", [parent]);
    const gone = `${this.#accountOf.url}/${other.id}`;
    await this.#ledger.take({ names: [other.name], to: "deleted", told: "deleted" }, async () =>
      expect((await this.#accountOf.master.fetch(gone, { method: "DELETE" })).status).toBe(200),
    );
  }

  get #accountOf(): Account {
    if (this.#account === undefined) throw new TypeError("There is no account yet.");
    return this.#account;
  }

  async #enrolled(by: Device): Promise<Machine> {
    const account = this.#accountOf;
    const device = new Device();
    const name = `box-${this.#drawn++}`;
    this.#devices.set(name, device);
    const { passcode } = await (await post(by.fetch, `${this.url}/v1/passcodes`)).json();
    const request = account.request(device, { deviceName: name, scopes: wide });
    let id = "";
    await this.#ledger.take({ names: [name], to: "pending", told: "requested" }, async () => {
      const answer = await account.send(device, request, passcode);
      expect(answer.status).toBe(202);
      ({ id } = await answer.json());
    });
    const machine = { device, id, name };
    await this.#decide("approve", "approved", [machine], {}, by);
    return machine;
  }

  #decide(
    type: string,
    to: Standing,
    machines: readonly [Machine, ...Machine[]],
    body = {},
    by = this.#accountOf.master,
  ) {
    const names = machines.map(({ name }) => name);
    return this.#ledger.take({ names, to, told: `${type.replace(/e$/, "")}ed` }, async () => {
      const answer = await this.#accountOf.decide(machines[0].id, type, body, by);
      expect([type, answer.status]).toEqual([type, 200]);
    });
  }

  /** Sees that enrollments, feed and audit tell what was acknowledged, and one story. */
  async #inspect(): Promise<void> {
    const { name: account, master } = this.#accountOf;
    const listed = await this.#list();
    const reader = await FeedReader.open(this.url, master);
    const feed = new CopiedState().take(await reader.snapshot(account));
    const found = (name: string): Standing => {
      const { status, scopes } = listed.get(name) ?? {};
      if (status === "approved") return standings[JSON.stringify(scopes)] ?? "none";
      return status ?? (feed.entries.has(`revoked ${this.#idOf(name)}`) ? "deleted" : "none");
    };
    this.unanswered.push(...this.#ledger.settle(found));
    const { names } = this.#ledger;
    expect(names).toEqual(expect.arrayContaining([...listed.keys()]));
    for (const name of names) {
      expect([name, found(name)]).toEqual([name, this.#ledger.standing(name)]);
      expect([name, feedOf(feed, this.#idOf(name))]).toEqual([name, inFeed[found(name)]]);
    }
    await this.#compareDeltas(reader, feed);
    await vi.waitFor(() => this.#compareAudit(), 5000);
  }

  /** By the device's name; all but the master. */
  async #list(): Promise<ReadonlyMap<string, Told>> {
    const { url, master } = this.#accountOf;
    const found = new Map<string, Told>();
    for (let after = ""; ; ) {
      const answer = await master.fetch(`${url}?app=orders&limit=1000${after}`);
      const { enrollments, next } = (await answer.json()) as { enrollments: readonly Told[]; next?: string };
      for (const each of enrollments) found.set(each.deviceName, each);
      if (next === undefined) return found;
      after = `&after=${next}`;
    }
  }

  /** From its beginning on they lead to the snapshot, by what verifiers were told before. */
  async #compareDeltas(reader: FeedReader, feed: CopiedState): Promise<void> {
    const { name } = this.#accountOf;
    const copy = new CopiedState();
    Object.assign(copy, { epoch: 1, digest: firstFeedDigest(name, 1) });
    while (copy.number < feed.number)
      for (const delta of await reader.deltas(name, copy.position)) {
        copy.apply(delta);
        if (copy.number === this.#heard?.number) expect(copy.digest).toEqual(this.#heard.digest);
      }
    expect(copy.number).toBeGreaterThanOrEqual(this.#heard?.number ?? 0);
    expect([copy.position, copy.digest, copy.lines]).toEqual([feed.position, feed.digest, feed.lines]);
  }

  /** An event may be there twice: killed after it was written, it is told again, under the same id. */
  #compareAudit(): void {
    const lines = readFileSync(this.#auditPath, "utf8").trim().split("\n");
    const events = new Map(lines.map((line) => JSON.parse(line)).map((event) => [event.id, event]));
    const told = new Map<string, string[]>();
    for (const { type, subject } of events.values()) {
      const [, what] = /^dev\.authmesh\.enrollment\.(.*)$/.exec(type) ?? [];
      if (what !== undefined) told.set(subject, [...(told.get(subject) ?? []), what]);
    }
    for (const name of this.#ledger.names)
      expect([name, told.get(this.#idOf(name)) ?? []]).toEqual([name, this.#ledger.told(name)]);
  }

  get #auditPath(): string {
    return join(this.#dir, "audit.jsonl");
  }

  #idOf(name: string): string {
    return this.#devices.get(name)?.id ?? "";
  }
}

/** Who asks a server that is killed gets no answer; whatever else is an error of it. */
async function untilKilled(server: ChildProcess, work: () => Promise<never>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!server.killed || !(error instanceof TypeError)) throw error;
  }
}

const feedOf = ({ entries }: CopiedState, id: string) => {
  const { scopes } = (entries.get(`device ${id}`) ?? {}) as { readonly scopes?: Scopes };
  return { scopes, isRevoked: entries.has(`revoked ${id}`) };
};
