import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { PublicKey } from "@authmesh/core";
import { addDevice, createIdentity, openIdentity } from "@authmesh/keystore";
import { expect, onTestFinished } from "vitest";
import type { FakeClock } from "../../../../test/fixtures/fake-clock.js";
import { freePort } from "../../../../test/fixtures/free-port.js";
import { openAuthorityState } from "../../src/open-state.js";
import { type AuthorityProcess, authorityEnv, startAuthority } from "../authority-process.js";
import { Account, type Enrolled } from "../enrollment/account.js";
import { type Ended, temporaryFolder } from "../stores.js";
import { FeedGateway, type Mischief } from "./feed-gateway.js";

const fileOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Runs a script until the test ends, and waits for its first line. @param before what it is run by */
export async function run(
  script: string,
  args: readonly string[],
  { env = {}, before = [] as readonly string[] } = {},
) {
  const [program = "", ...rest] = [...before, process.execPath, fileOf(script), ...args];
  const child = spawn(program, rest, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const said: Buffer[] = [];
  child.stderr.on("data", (bytes: Buffer) => said.push(bytes));
  const ended = once(child, "close");
  const isThere = await Promise.race([once(child.stdout, "data"), ended.then(() => undefined)]);
  if (isThere === undefined) throw new Error(`${script} ended:\n${Buffer.concat(said)}`);
  return {
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** A machine that verifiers are run on. */
interface Place {
  readonly dir: string;
  readonly publicKey: PublicKey;
}

async function newPlace(ended: Ended): Promise<Place> {
  const dir = join(temporaryFolder(ended), "amesh");
  const argon2 = { memoryKiB: 19 * 1024, passes: 1, lanes: 1 };
  const own = { dir, env: authorityEnv, backend: "encrypted-file" };
  await createIdentity({ ...own, friendlyName: "verifier", argon2 });
  const { publicKey } = await openIdentity(own);
  return { dir, publicKey };
}

export interface VerifierOptions {
  readonly maxStale?: number;
  readonly clock?: FakeClock | undefined;
  /** Where it is reached. Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** What it is run by, in place of nothing. */
  readonly before?: readonly string[] | undefined;
}

/** A running verifier. */
export class Verifier {
  readonly #world: FaultyWorld;
  readonly #place: Place;
  readonly #options: VerifierOptions;
  readonly #port: number;
  #process: { kill(): Promise<void> } | undefined;

  constructor(world: FaultyWorld, place: Place, port: number, options: VerifierOptions) {
    this.#world = world;
    this.#place = place;
    this.#port = port;
    this.#options = options;
  }

  get #host(): string {
    return this.#options.host ?? "127.0.0.1";
  }

  async start(): Promise<void> {
    const { url, key, account } = this.#world;
    const { maxStale, clock, before } = this.#options;
    const options = {
      host: this.#host,
      port: this.#port,
      authority: { url, key },
      account: account.name,
      maxStale,
    };
    const env = { ...authorityEnv, AUTH_MESH_DIR: this.#place.dir, ...clock?.env };
    this.#process = await run("verifier.js", [JSON.stringify(options)], { env, ...(before && { before }) });
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  plague(mischief: Mischief): void {
    this.#world.gateway.plague(this.#place.publicKey.base64, mischief);
  }

  /** The status of its answer. */
  async ask({ device }: Enrolled): Promise<number> {
    const answer = await device.fetch(`http://${this.#host}:${this.#port}/orders`);
    await answer.arrayBuffer();
    return answer.status;
  }
}

/** An authority, verifiers that follow it through a gateway, and something that changes all the time. */
export class FaultyWorld {
  readonly gateway: FeedGateway;
  /** The authority as verifiers know it: the gateway. */
  readonly url: string;
  readonly account: Account;
  readonly places: readonly [Place, Place];
  readonly #dir: string;
  readonly #port: number;
  #master = "";
  #authority: AuthorityProcess;
  #ended: Ended;

  private constructor(
    made: Pick<FaultyWorld, "gateway" | "url" | "account" | "places">,
    dir: string,
    authority: AuthorityProcess,
    ended: Ended,
  ) {
    ({ gateway: this.gateway, url: this.url, account: this.account, places: this.places } = made);
    this.#dir = dir;
    this.#authority = authority;
    this.#port = Number(new URL(authority.url).port);
    this.#ended = ended;
  }

  static async start(ended: Ended): Promise<FaultyWorld> {
    const dir = temporaryFolder(ended);
    const [port, upstream] = [await freePort(), await freePort()];
    const url = `http://localhost:${port}`;
    const places = [await newPlace(ended), await newPlace(ended)] as const;
    const state = await openAuthorityState({ dir, env: authorityEnv, create: true });
    const account = await Account.open({ url: `http://localhost:${upstream}`, authority: { state } });
    for (const { publicKey } of places)
      await state.devices.update((draft) =>
        addDevice(draft, {
          publicKey,
          friendlyName: `verifier ${publicKey.deviceId}`,
          role: "controller",
          status: "active",
          addedBy: "manual",
          bound: true,
          scopes: { feed: "r" },
          now: Math.floor(Date.now() / 1000),
        }),
      );
    await state.close();
    const gateway = new FeedGateway(port, upstream, ended);
    await gateway.listen("127.0.0.1");
    const made = { gateway, url, account, places };
    const world = new FaultyWorld(made, dir, await serve(dir, url, upstream, ended), ended);
    world.#master = (await account.show("self")).id;
    await world.#chatter();
    return world;
  }

  get key(): string {
    return this.#authority.feedKey;
  }

  /** @param which place it is run at */
  async verifier(which: 0 | 1, options: VerifierOptions): Promise<Verifier> {
    const place = this.places[which];
    rmSync(join(place.dir, "feeds"), { recursive: true, force: true });
    const verifier = new Verifier(this, place, await freePort(), options);
    verifier.plague({});
    await verifier.start();
    return verifier;
  }

  async revoke({ id }: Enrolled): Promise<void> {
    expect((await this.account.decide(id, "revoke")).status).toBe(200);
  }

  /** As another replica would, while this one is away. */
  async revokeInDatabase({ id }: Enrolled): Promise<void> {
    const state = await openAuthorityState({ dir: this.#dir, env: authorityEnv });
    await state.enrollments.decide({ account: this.account.name, id: this.#master }, { id, type: "revoke" });
    await state.close();
  }

  async killAuthority(): Promise<void> {
    this.#authority.child.kill("SIGKILL");
    await this.#authority.ended;
  }

  async restartAuthority(): Promise<void> {
    this.#authority = await serve(this.#dir, this.url, this.#port, this.#ended);
  }

  /** Heads come every 10 s, and with each delta. With more of these a copy may be allowed an age of few seconds. */
  async #chatter(): Promise<void> {
    const { id } = await this.account.enrolled();
    const chat = async () => {
      await this.account.decide(id, "extend", { lifetime: 86_400 }).catch(() => {}); // it may be down
    };
    const timer = setInterval(chat, 300);
    this.#ended(() => clearInterval(timer));
  }
}

const serve = (dir: string, issuer: string, port: number, ended: Ended) => {
  const audience = [issuer, `http://localhost:${port}`].flatMap((url) => ["--audience", new URL(url).host]);
  return startAuthority(dir, { port, ended, args: ["--issuer", issuer, ...audience] });
};
