import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addDevice, createIdentity, openIdentity } from "@authmesh/keystore";
import { openAuthorityState } from "../../packages/authority/src/open-state.js";
import { authorityEnv } from "../../packages/authority/test/authority-process.js";
import { Account } from "../../packages/authority/test/enrollment/account.js";
import { Device, everything } from "../../packages/authority/test/running-authority.js";
import { freePort } from "../fixtures/free-port.js";
import { PostgresServer } from "../fixtures/postgres-server.js";
import { RedisServer } from "../fixtures/redis-server.js";
import { GatewayCertificate } from "./gateway-certificate.js";
import { authorityUrl, dirOf, identityOf, launches, originOf, readyUrlOf, type Scene } from "./launches.js";
import { Part, type PartName, type PartOptions, partNames } from "./part.js";

/** Those that let callers in, or do not. */
export const targets = ["api-1", "api-2", "gateway"] as const satisfies readonly PartName[];
export type Target = (typeof targets)[number];

export interface StageOptions {
  readonly parts?: Partial<Readonly<Record<PartName, PartOptions>>>;
  /** Where the API and the gateway find Redis. Default: where it is. @param port of the stage's Redis */
  readonly redisUrl?: (port: number) => string;
  /** Further settings of the stage's Redis, as on its command line. */
  readonly redisSettings?: readonly string[];
  /** How PostgreSQL is run. Default: fast, and without what outlives a loss of power. */
  readonly postgresSettings?: readonly string[];
  /** Where the authority finds PostgreSQL. Default: where it is. @param url of the stage's database */
  readonly database?: (url: string) => string;
  /** The gateway speaks TLS. */
  readonly tls?: boolean;
  /** Called before the parts are started. */
  readonly prepare?: (scene: Scene) => Promise<void>;
}

export type Ended = (stop: () => Promise<void>) => void;

/** The real processes, and an account whose devices may call. */
export class Stage {
  readonly scene: Scene;
  readonly redis: RedisServer;
  readonly postgres: PostgresServer;
  readonly account: Account;
  /** May revoke tokens. */
  readonly operator: Device;
  readonly parts: ReadonlyMap<PartName, Part>;

  private constructor(
    made: Pick<Stage, "scene" | "redis" | "postgres" | "account" | "operator">,
    options: StageOptions,
  ) {
    ({ scene: this.scene, redis: this.redis, postgres: this.postgres } = made);
    ({ account: this.account, operator: this.operator } = made);
    const { scene } = this;
    this.parts = new Map(
      partNames.map((name) => {
        const { env, before } = options.parts?.[name] ?? {};
        const launch = launches[name](scene);
        const more = { env: { ...launch.env, ...env }, ...(before && { before }) };
        const urls = { url: originOf(scene, name), ready: readyUrlOf(scene, name) };
        return [name, new Part(name, { ...launch, ...more, ...urls })];
      }),
    );
  }

  /** @param ended is given what takes each thing down, and is to call that in the opposite order */
  static async start(options: StageOptions, ended: Ended): Promise<Stage> {
    const folder = mkdtempSync(join(tmpdir(), "amesh-faults-"));
    ended(async () => rmSync(folder, { recursive: true, force: true }));
    const [redis, postgres] = await Promise.all([
      RedisServer.start(ended, ...(options.redisSettings ?? [])),
      PostgresServer.start(ended, options.postgresSettings),
    ]);
    const url = await postgres.database("authority");
    const scene: Scene = {
      folder,
      ports: await freePorts(),
      hosts: eachPart((name) => options.parts?.[name]?.host ?? "127.0.0.1"),
      folders: eachPart((name) => options.parts?.[name]?.folder ?? folder),
      database: options.database?.(url) ?? url,
      redisUrl: options.redisUrl?.(redis.port) ?? redis.url,
      account: "@fleet",
      certificate: options.tls ? await GatewayCertificate.make(folder) : undefined,
      feedKey: "",
      without: undefined,
      known: [],
    };
    const stage = new Stage({ scene, redis, postgres, ...(await openAccount(scene, url)) }, options);
    ended(() => stage.#kill());
    await options.prepare?.(scene);
    await Promise.all((["authority", "relay", "service"] as const).map((name) => stage.part(name).start()));
    ({ feedKey: scene.feedKey } = await stage.part("authority").program.event("listening"));
    await Promise.all(targets.map((name) => stage.part(name).start()));
    return stage;
  }

  part(name: PartName): Part {
    return this.parts.get(name) as Part;
  }

  async #kill(): Promise<void> {
    await Promise.all([...this.parts.values()].map((part) => part.kill()));
  }
}

const eachPart = <T>(of: (name: PartName) => T) =>
  Object.fromEntries(partNames.map((name) => [name, of(name)])) as Record<PartName, T>;

async function freePorts(): Promise<Scene["ports"]> {
  const ports = await Promise.all([...partNames, "admin"].map(async (name) => [name, await freePort()]));
  return Object.fromEntries(ports);
}

/** An account in the authority's database, an operator, and an identity for each of its verifiers. */
async function openAccount(scene: Scene, database: string): Promise<Pick<Stage, "account" | "operator">> {
  const dir = dirOf(scene);
  mkdirSync(dir);
  writeFileSync(join(dir, "policy.yaml"), JSON.stringify({ version: 1, mint: [everything] }));
  const state = await openAuthorityState({
    dir,
    env: { ...authorityEnv, DATABASE_URL: database },
    create: true,
  });
  const account = await Account.open({ url: authorityUrl(scene), authority: { state } }, scene.account);
  const operator = new Device();
  await state.devices.update((draft) => addDevice(draft, operator.entry({ revocations: "rw" })));
  for (const name of targets) {
    const own = { dir: identityOf(scene, name), env: authorityEnv, backend: "encrypted-file" };
    await createIdentity({ ...own, friendlyName: name, argon2 });
    const { publicKey } = await openIdentity(own);
    await state.devices.update((draft) =>
      addDevice(draft, { ...operator.entry({ feed: "r" }), publicKey, friendlyName: name }),
    );
  }
  await state.close();
  return { account, operator };
}

/** The cheapest cost that is allowed. */
const argon2 = { memoryKiB: 19 * 1024, passes: 1, lanes: 1 };
