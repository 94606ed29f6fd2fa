import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "@authmesh/sdk";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { emptyMachine } from "../packages/cli/test/fixtures/account.js";
import type { TestMachine } from "../packages/cli/test/fixtures/amesh.js";
import { Program } from "../scripts/machines.js";
import { example } from "./fixtures/example-server.js";
import { freePort } from "./fixtures/free-port.js";
import { startNginx } from "./fixtures/nginx.js";
import { PostgresServer } from "./fixtures/postgres-server.js";

/** Where a life takes place. */
interface Place {
  /** The authority, as everybody dials it. */
  readonly url: string;
  /** Who runs it, and may make accounts. */
  readonly operator: TestMachine;
  readonly dir: string;
  /** What befalls the authority while a machine waits for its approval. */
  readonly befall: () => Promise<void>;
}

const account = "@acme";
/** A revocation is everywhere within one second, in milliseconds on a quiet machine; a busy one gets more. */
const boundMs = 5000;
/** For what a command of `amesh` brings about, its start included. */
const patience = { interval: 10, timeout: 30_000 };

/** A program that ends with the test. */
function started(program: Program): Program {
  onTestFinished(() => program.stop());
  return program;
}

async function startAuthority(
  operator: TestMachine,
  port: number,
  ...options: readonly string[]
): Promise<{ readonly dir: string; readonly program: Program }> {
  const dir = join(operator.folder, "authority");
  await operator.succeed(["authority", "init", "--dir", dir, "--backend", "encrypted-file"]);
  const serve = ["authority", "serve", "--dir", dir, "--port", String(port), "--json", ...options];
  const program = started(operator.start(serve));
  await program.event("listening");
  return { dir, program };
}

async function onSqlite(): Promise<Place> {
  const [port, operator] = [await freePort(), emptyMachine()];
  const { dir } = await startAuthority(operator, port);
  return { url: `http://localhost:${port}`, operator, dir, befall: async () => {} };
}

/** Two replicas behind nginx. One of them loses its power. */
async function onPostgres(): Promise<Place> {
  const server = await PostgresServer.start(onTestFinished);
  const DATABASE_URL = await server.database("authority");
  const AMESH_AUTHORITY_SECRET = "of two replicas: 0123456789abcdefghijklmnopqrstuvwxyz";
  const [one, other, proxied] = [await freePort(), await freePort(), await freePort()];
  const url = `http://localhost:${proxied}`;
  const replicas = await Promise.all(
    [one, other].map(async (port) => {
      const operator = emptyMachine();
      Object.assign(operator.env, { DATABASE_URL, AMESH_AUTHORITY_SECRET });
      return { operator, ...(await startAuthority(operator, port, "--issuer", url, "--trust-proxy")) };
    }),
  );
  const [lost, left] = replicas;
  if (lost === undefined || left === undefined) throw new Error("There are two.");
  const ports: Record<string, number> = { 4000: proxied, 4001: one, 4002: other };
  const configuration = readFileSync(example("enrollment/nginx.conf"), "utf8").replace(
    /\b400[012]\b/g,
    (port) => String(ports[port]),
  );
  await startNginx({ folder: left.operator.folder, configuration, port: proxied }, onTestFinished);
  return { url, operator: left.operator, dir: left.dir, befall: () => lost.program.kill() };
}

/** What `amesh enroll request` is given. The invitation comes on standard input. */
const request = ({ url }: Place, app: string, device: string, scope: string): readonly string[] => [
  ...["enroll", "request", "--authority", url, "--account", account, "--app", app, "--device", device],
  ...["--scope", scope, "--passcode-file", "-", "--backend", "encrypted-file"],
];

async function onboard(place: Place): Promise<TestMachine> {
  const create = ["authority", "account", "create", account, "--dir", place.dir];
  const secret = (await place.operator.succeed(create)).stdout.trim();
  const laptop = emptyMachine();
  const claim = ["onboard", account, "--authority", place.url, "--backend", "encrypted-file"];
  const { status, screen } = await laptop.runInTerminal(
    [...claim, "--device", "laptop"],
    [
      ["Secret of the account: ", `${secret}\r`],
      ["Are they written down, apart from this machine? [y/N] ", "y\r"],
      ["Back up this machine's key to a file? [y/N] ", "n\r"],
    ],
  );
  expect(screen).toContain("✔ This machine is a root of @acme: amesh/laptop");
  expect(status).toBe(0);
  return laptop;
}

/** Three machines that were let in by one invitation, and the example's server on each. @returns their URLs */
async function startServers(place: Place, laptop: TestMachine): Promise<readonly string[]> {
  const invite = ["enroll", "invite", "--scope", "feed:r", "--uses", "3", "--auto-approve"];
  const input = (await laptop.succeed(invite)).stdout;
  return Promise.all(
    ["api-1", "api-2", "api-3"].map(async (name) => {
      const api = emptyMachine();
      await api.succeed(request(place, "api", name, "feed:r"), { input });
      const host = `localhost:${await freePort()}`;
      const env = { PORT: host.split(":")[1], AMESH_AUDIENCE: host, AMESH_AUTHORITY_URL: place.url };
      const server = started(new Program([example("enrollment/server.js")], { env: { ...api.env, ...env } }));
      await server.line((line) => (line.startsWith("listening") ? line : undefined));
      return `http://${host}`;
    }),
  );
}

/** The second machine asks; the root sees the same code, and grants less. */
async function letIn(place: Place, laptop: TestMachine): Promise<{ box: TestMachine; id: string }> {
  const invitation = (await laptop.succeed(["enroll", "invite", "--scope", "orders:rw"])).stdout;
  const box = emptyMachine();
  const asking = started(box.start([...request(place, "till", "box-1", "orders:rw"), "--json"]));
  asking.write(invitation);
  asking.end();
  const { id, comparisonCode } = await asking.event("requested");

  await place.befall();

  const approving = laptop.startInTerminal(["enroll", "approve", id, "--scope", "orders:r"]);
  onTestFinished(() => approving.stop());
  await approving.shows(/Code +: /);
  expect((await approving.shows(/^\d{3} \d{3}/)).replace(" ", "")).toBe(comparisonCode);
  await approving.shows("Approve it? [y/N] ");
  approving.type("y\r");
  expect(await approving.ended).toBe(0);
  expect(await asking.event("decided")).toMatchObject({ id, status: "approved", scopes: { orders: "r" } });
  expect(await asking.ended).toBe(0);
  return { box, id };
}

/** What the example's client shows on the machine. */
async function called(box: TestMachine, ...args: readonly string[]): Promise<string> {
  const client = started(new Program([example("enrollment/client.js"), ...args], { env: box.env }));
  await client.ended;
  return client.lines.join("\n");
}

/** When the authority did something, as its audit says: Unix milliseconds. */
function timeOf(type: string, { dir }: Place): Promise<number> {
  const lines = () => readFileSync(join(dir, "audit.jsonl"), "utf8").trim().split("\n");
  const found = () => lines().find((line) => JSON.parse(line).type === `dev.authmesh.${type}`);
  return vi.waitUntil(found, patience).then((line) => Date.parse(JSON.parse(line).time));
}

async function life(place: Place): Promise<void> {
  const laptop = await onboard(place);
  const servers = await startServers(place, laptop);
  const [url = ""] = servers;
  const { box, id } = await letIn(place, laptop);
  const client = createClient({ identity: await box.open(), session: false });
  onTestFinished(() => client.close());
  /** Resolves when every server answers so, with when that was: Unix milliseconds. */
  const everywhere = async (status: number): Promise<number> => {
    const isSo = async (url: string) => (await client.fetch(`${url}/api/orders`)).status === status;
    await Promise.all(servers.map((url) => vi.waitUntil(() => isSo(url), patience)));
    return Date.now();
  };

  await everywhere(200);
  expect(await called(box, url)).toBe('200 {"by":"till/box-1","orders":[]}');
  expect(await called(box, url, "100")).toBe('403 {"error":"scope_missing"}');

  const revoke = ["enroll", "revoke", id, "--reason", "box lost", "--yes"];
  const [refusedAt] = await Promise.all([everywhere(401), laptop.succeed(revoke)]);
  const lateMs = refusedAt - (await timeOf("enrollment.revoked", place));
  console.log(`three servers refuse what was revoked ${lateMs} ms ago`);
  expect(lateMs).toBeLessThan(boundMs);
  expect(await called(box, url)).toBe('401 {"error":"unauthorized"}');
  expect(await box.run(["login"])).toMatchObject({
    status: 3,
    stderr: expect.stringContaining("(enrollment_revoked)"),
  });

  await laptop.succeed(["enroll", "unrevoke", id, "--yes"]);
  await everywhere(200);
  expect((await box.succeed(["login"])).stdout).toMatch(/^eyJ/);

  await laptop.succeed(revoke);
  await laptop.succeed(["enroll", "delete", id, "--yes"]);
  await everywhere(401);
  expect((await laptop.succeed(["enroll", "list", "--app", "till"])).stdout).not.toContain(id);
  expect(await box.run(["login"])).toMatchObject({
    status: 3,
    stderr: expect.stringContaining("(challenge_refused)"),
  });
}

describe("from an account to the end of a machine", () => {
  test("on SQLite", async () => life(await onSqlite()), 120_000);

  test("on PostgreSQL, with two authorities of which one is killed", async () => {
    await life(await onPostgres());
  }, 120_000);
});
