import { createHmac, hkdfSync } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type CatalogueEntry,
  canonicalTarget,
  catalogue,
  type PairingEffect,
  type PairingHandshake,
  type PairingInput,
  PrivateKey,
  pairAsController,
  pairAsTarget,
  type Role,
  relayClosings,
  relayErrorCodes,
} from "@authmesh/core";
import { createIdentity } from "@authmesh/keystore";
import { tokenErrorCodes, tokenSteps } from "@authmesh/oath";
import { createRelay, defaultLimits } from "@authmesh/relay";
import { describe, expect, it, onTestFinished } from "vitest";
import type { HttpSignatureVector } from "./make-http-signature-vectors.js";
import type { OathVectors } from "./make-oath-vectors.js";
import type { RequestVectors } from "./make-vectors.js";

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");
const document = read("../../docs/protocol.md");
const vectors = JSON.parse(read("vectors/request-1.json")) as RequestVectors;
const [pairing] = JSON.parse(read("vectors/pairing-1.json")).pairings;
const entries: Readonly<Record<string, CatalogueEntry>> = catalogue;

/** What stands below a heading, up to the next one. */
const sectionOf = (heading: string): string => document.split(`${heading}\n`)[1]?.split(/\n##+ /)[0] ?? "";
/** The cells of a section's tables, code marks kept. */
const rowsIn = (text: string): readonly (readonly string[])[] =>
  text
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) => line.split("|").slice(1, -1));
const rowsOf = (heading: string) => rowsIn(sectionOf(`\n### ${heading}`));
const codesIn = (text: string) => [...text.matchAll(/`([a-z_]+)`/g)].map(([, code]) => code as string);

describe("docs/protocol.md", () => {
  it("shows the values of the vectors in its examples", () => {
    const [key] = vectors.keys as [RequestVectors["keys"][0]];
    const [request] = vectors.requests as [RequestVectors["requests"][0]];
    for (const value of [...Object.values(key), request.authorization, ...request.signed.split("\n")]) {
      expect(document).toContain(value);
    }
  });

  it.each(
    rowsOf("2.3 The canonical string")
      .slice(1)
      .map((cells) => cells.map((cell) => cell.trim().slice(1, -1))),
  )("says rightly what becomes of the target %s", (target = "", canonical = "") =>
    expect(canonicalTarget(target)).toBe(canonical),
  );

  it("lists the answers as the error catalogue has them", () => {
    const rows = rowsOf("2.7 Answers").slice(1);
    expect(rows.length).toBeGreaterThan(10);
    for (const [status, codes = ""] of rows) {
      for (const code of codesIn(codes))
        expect([code, entries[code]?.status]).toEqual([code, Number(status)]);
    }
  });

  it("lists every reason behind a 401", () => {
    const row = rowsOf("2.7 Answers").find(([status]) => status?.trim() === "401");
    const reasons = Object.keys(entries).filter((code) => entries[code]?.public === "unauthorized");
    expect(codesIn(row?.[2] ?? "").toSorted()).toEqual(reasons.toSorted());
  });
});

const bytes = (hex: string) => Buffer.from(hex, "hex");
const leavesOf = (value: object): readonly string[] =>
  Object.values(value).flatMap((member) => (typeof member === "object" ? leavesOf(member) : [member]));

describe("docs/protocol.md, section 3", () => {
  const [request] = JSON.parse(read("vectors/http-signature-1.json")).requests as [HttpSignatureVector];

  it("shows the first of the vectors as its example", () => {
    const lines = sectionOf("\n### 3.5 Example")
      .split("\n")
      .map((line) => line.trim());
    const { headers, signed } = request;
    const sent = ["Content-Digest", "Signature-Input", "Signature"].map(
      (name) => `${name}: ${headers[name.toLowerCase()]}`,
    );
    for (const line of [...signed.split("\n"), ...sent]) expect(lines).toContain(line);
  });

  it("lists the parameters, and refusals of the catalogue", () => {
    const rows = rowsOf("3.1 The signature").flatMap(([names = ""]) => codesIn(names));
    const [, ...said] = (request.headers["signature-input"] ?? "")
      .split(";")
      .map((each) => each.split("=")[0]);
    expect(rows.filter((name) => name !== "parameter").toSorted()).toEqual(said.toSorted());
    const codes = rowsOf("3.4 Verification").flatMap(([, , text = ""]) => codesIn(text));
    expect(codes.length).toBeGreaterThan(10);
    for (const code of codes)
      if (!code.endsWith("_")) expect([code, entries[code]?.status]).not.toContain(undefined);
  });
});

describe("docs/protocol.md, section 4", () => {
  it("lists the members of a delegation", () => {
    const [request] = JSON.parse(read("vectors/delegation-1.json")).requests;
    const [header, payload] = request.delegation
      .split(".")
      .slice(0, 2)
      .map((part: string) => Object.keys(JSON.parse(Buffer.from(part, "base64url").toString())));
    const rows = rowsOf("4.2 The delegation").flatMap(([names = ""]) => codesIn(names));
    expect(rows.toSorted()).toEqual([...header, ...payload, "aud"].toSorted());
  });
});

describe("docs/protocol.md, section 7", () => {
  const bootstrap = JSON.parse(read("vectors/bootstrap-1.json"));

  it("lists the members of a token", () => {
    const [header, payload] = bootstrap.tokens[0].token
      .split(".")
      .slice(0, 2)
      .map((part: string) => Object.keys(JSON.parse(Buffer.from(part, "base64url").toString())));
    const rows = rowsOf("7.1 The token").flatMap(([names = ""]) => codesIn(names));
    expect(rows.toSorted()).toEqual([...header, ...payload, "host"].toSorted());
  });

  it("lists every way in which a token is refused", () => {
    const codes = rowsOf("7.2 The checks").flatMap(([, code = ""]) => codesIn(code));
    const own = Object.keys(entries).filter((code) => code.startsWith("bootstrap_"));
    expect(codes.toSorted()).toEqual(
      [...own, "controller_limit_reached", "device_revoked", "pairing_own_key"].toSorted(),
    );
  });

  it("shows the values of the vectors in its example", () => {
    const example = sectionOf("\n### 7.6 Example");
    for (const value of [bootstrap.jti, bootstrap.otc, bootstrap.meeting.transcript])
      expect(example).toContain(value);
  });
});

describe("docs/protocol.md, section 8", () => {
  const { tokens } = JSON.parse(read("vectors/oath-1.json")) as OathVectors;
  const partsOf = (name: string) =>
    (tokens.find((vector) => vector.name === name)?.token ?? "")
      .split(".")
      .slice(0, 2)
      .map((part) => Object.keys(JSON.parse(Buffer.from(part, "base64url").toString())));

  it("lists the members of a token's header, and every claim", () => {
    const [header = [], claims = []] = partsOf("every claim");
    expect(rowsOf("8.1 The token").flatMap(([names = ""]) => codesIn(names))).toEqual(
      expect.arrayContaining(header),
    );
    const listed = rowsOf("8.2 The claims").flatMap(([names = ""]) => codesIn(names));
    expect(listed.toSorted()).toEqual([...claims, "rqh", "cnf"].toSorted());
  });

  it("gives the steps their numbers, in their order", () => {
    const numbers = rowsOf("8.4 Verification")
      .slice(1)
      .map(([number]) => Number(number));
    expect(numbers).toEqual([...new Set(tokenSteps.map(({ number }) => number))]);
  });

  it("lists the answers as the error catalogue has them, and every code of tokens", () => {
    const rows = rowsOf("8.5 Answers").slice(1);
    const listed = rows.flatMap(([status, codes = ""]) =>
      codesIn(codes).map((code) => [code, Number(status)]),
    );
    for (const [code, status] of listed)
      expect([code, entries[code as string]?.status]).toEqual([code, status]);
    expect(listed.map(([code]) => code)).toEqual(expect.arrayContaining([...tokenErrorCodes]));
  });
});

describe("docs/protocol.md, section 5", () => {
  it("shows the values of the vectors in its example, cut where it says so", () => {
    const example = sectionOf("\n### 5.9 Example");
    const values = [...example.matchAll(/([0-9a-f]{16,})(?:…([0-9a-f]{16,}))?/g)];
    expect(values.length).toBeGreaterThan(15);
    const mac = createHmac("sha256", bytes(pairing.keys.sas)).update(bytes(pairing.transcript)).digest();
    const known = [...leavesOf(pairing), mac.toString("hex"), String(mac.readBigUInt64BE())];
    for (const [, start = "", end = ""] of values) {
      const cut = new RegExp(`${start}[0-9a-f]*${end}`);
      expect(known.some((value) => cut.test(value))).toBe(true);
    }
  });

  it("lists every way in which a pairing fails", () => {
    const codes = rowsOf("5.6 Failures").flatMap(([, code = ""]) => codesIn(code));
    const own = Object.keys(entries).filter((code) => /^pairing_(?!code_malformed|cooldown)/.test(code));
    expect(codes.toSorted()).toEqual([...own, "controller_limit_reached"].toSorted());
  });

  it.each(["controller", "target"] as const)("goes through the states of the %s in their order", (role) => {
    const tables = sectionOf("\n### 5.5 States").split(/\n\*\*\w+\*\*\n/);
    const rows = rowsIn(tables[role === "controller" ? 1 : 2] ?? "").slice(1);
    const named = rows.map(([state = ""]) => state.trim().slice(1, -1));
    expect([...new Set(named), "done"]).toEqual(statesOf(role));
  });
});

/** The states of one side of a pairing that succeeds. */
function statesOf(role: Role): readonly string[] {
  const keys = { controller: PrivateKey.generate(), target: PrivateKey.generate() };
  const options = (side: Role) => ({
    publicKey: keys[side].publicKey,
    friendlyName: side,
    rendezvous: "482916",
  });
  const sides: Record<Role, PairingHandshake> = {
    controller: pairAsController(options("controller")),
    target: pairAsTarget(options("target")),
  };
  let shown = "";
  const answerTo = (side: Role, effect: PairingEffect): PairingInput | undefined => {
    if (effect.type === "show_code") shown = effect.code;
    if (effect.type === "sign") return { type: "signed", signature: keys[side].sign(effect.message) };
    if (effect.type === "confirm") return { type: "accepted" };
    if (effect.type === "ask_code") return { type: "code_entered", text: shown };
    return ["store_pending", "store_target", "activate"].includes(effect.type)
      ? { type: "stored" }
      : undefined;
  };
  const states = [sides[role].state];
  const due: [Role, PairingInput][] = [["controller", { type: "start" }]];
  for (let next = due.shift(); next !== undefined; next = due.shift()) {
    const [side, input] = next;
    for (const effect of sides[side].handle(input)) {
      if (effect.type === "send")
        due.push([side === "target" ? "controller" : "target", { type: "frame", bytes: effect.frame }]);
      const answer = answerTo(side, effect);
      if (answer !== undefined) due.push([side, answer]);
    }
    if (side === role) states.push(sides[role].state);
  }
  return states;
}

describe("docs/protocol.md, section 6", () => {
  it("lists the closings of the relay, errors first", () => {
    const rows = rowsOf("6.2 Ends").slice(1);
    expect(rows.map(([reason = "", status]) => [codesIn(reason)[0], Number(status)])).toEqual(
      Object.entries(relayClosings),
    );
    expect(rows.slice(0, relayErrorCodes.length).flatMap(([reason = ""]) => codesIn(reason))).toEqual(
      relayErrorCodes,
    );
  });

  it("gives the relay's limits as they are by default", () => {
    const numbers = rowsOf("6.3 Limits")
      .slice(1)
      .flatMap((cells) => cells.slice(1))
      .map((cell) => Number(cell.replaceAll(",", "")))
      .filter((value) => value > 0);
    const { "socket.bytes": sent, "socket.buffered": unread, ...limits } = defaultLimits;
    expect(numbers).toEqual(Object.values(limits));
    for (const value of [sent, unread])
      expect(sectionOf("\n### 6.3 Limits")).toContain(value.toLocaleString("en"));
  });

  it("names the relay's metrics, their types and labels", async () => {
    const relay = createRelay({ host: "127.0.0.1", port: 0 });
    onTestFinished(() => relay.close());
    const { port } = await relay.listen();
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const types = [...text.matchAll(/^# TYPE amesh_relay_(\w+) (\w+)$/gm)].map(
      ([, name, type]) => `${name} ${type}`,
    );
    const rows = rowsOf("6.5 HTTP").filter(([, type]) => /gauge|counter/.test(type ?? ""));
    const named = rows.flatMap(([names = "", type = ""]) =>
      codesIn(names).map((name) => `${name} ${type.trim()}`),
    );
    expect(named.toSorted()).toEqual(types.toSorted());
    for (const [names = "", , label = ""] of rows) {
      const [key, ...values] = codesIn(label);
      if (key === undefined) continue;
      const series = [
        ...text.matchAll(new RegExp(`^amesh_relay_${codesIn(names)[0]}{${key}="(\\w+)"}`, "gm")),
      ];
      const written = series.map(([, value = ""]) => value);
      const errors = values.includes("origin_refused") ? relayErrorCodes : [];
      expect([...errors, ...values].toSorted()).toEqual(written.toSorted());
    }
  });
});

describe("docs/protocol.md, section 11", () => {
  it("names the files of an identity and their modes", async () => {
    const folder = mkdtempSync(join(tmpdir(), "amesh-document-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const dir = join(folder, "amesh");
    await createIdentity({ friendlyName: "prod-api", dir, env: {} });
    const modes = readdirSync(dir).map((name) => [
      name,
      `0${(statSync(join(dir, name)).mode & 0o777).toString(8)}`,
    ]);
    const rows = rowsIn(sectionOf("\n## 11. Files").split("\n### ")[0] ?? "");
    const listed = rows.map(([name = "", , mode = ""]) => [name.trim().slice(1, -1), mode.trim()]);
    expect(listed).toEqual(expect.arrayContaining(modes));
    expect(modes).toHaveLength(5);
  });

  it("shows the key and the seal of its example", () => {
    const example = sectionOf("\n### 11.4 The seal");
    const key = hkdfSync("sha256", Buffer.alloc(32, 0x5a), "am_GS6yJVVbPxo3EJ7v", "amesh/allow-list/1", 32);
    expect(example).toContain(Buffer.from(key).toString("hex"));
    const list = JSON.parse(read("../../packages/keystore/test/vectors/identity/allow_list.json"));
    expect(example).toContain(list.hmac);
  });
});
