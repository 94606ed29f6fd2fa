import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { inspectToken } from "../src/token/inspect.js";
import { TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";
import { forged, TestIssuer } from "./fixtures/token-issuer.js";

const machine = new TestMachine();
afterAll(() => machine.remove());
const issuer = new TestIssuer();
const header = '{"typ":"om+jwt","alg":"EdDSA","kid":"x"}';
const inspect = (input: string, ...args: string[]) =>
  machine.run(["token", "inspect", "-", ...args], { input });

describe("amesh token inspect", () => {
  it("shows what a token says, with its times in words, and that nothing is verified", async () => {
    const token = await issuer.mint(
      { reason: "nightly run", rqh: `sha256:${"a".repeat(64)}` },
      { ttlSeconds: 300 },
    );
    const { status, stdout, stderr } = await inspect(`${token}\n`);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Not verified: /);
    expect(stdout).toMatch(/^ {2}alg : "EdDSA"$/m);
    expect(stdout).toMatch(/^ {2}sub +: "svc:\/\/billing\/worker"$/m);
    expect(stdout).toMatch(/^ {2}exp +: \d+ \(\d{4}-\d\d-\d\dT[\d:]+Z, expires in [45] min\)$/m);
    expect(stdout).toMatch(/^ {2}iat +: \d+ \(.*, made \d+ s ago\)$/m);
    expect(stdout).toMatch(/^ {2}rqh +: "sha256:a+" \(good for one request alone\)$/m);
    expect(stdout).toMatch(/\nProblems\n {2}none by its form\n$/);
    expect(stderr).toMatch(/^Next: amesh token verify /);
    expect(stdout + stderr).not.toContain(token.split(".")[2]);
  });

  it("names every problem", async () => {
    const token = forged(
      header,
      '{"iss":"https://i.example","aud":["a"],"act":"x","iat":1000,"exp":2000,"jti":"1"}',
    );
    const { status, stdout } = await inspect(token);
    expect(status).toBe(0);
    const [, problems = ""] = stdout.split("\nProblems\n");
    expect(problems.trimEnd().split("\n")).toEqual([
      "  - The token has no sub.",
      "  - The claim aud is not as it must be: it is 1 to 512 visible ASCII characters.",
      expect.stringMatching(/^ {2}- It expired \d+ d ago\.$/),
      "  - It lives 1000 s; 1 to 300 are allowed.",
    ]);
  });

  it("shows a token of another kind, and says that it is none of ours", async () => {
    const document = documentOf(await inspect(forged('{"alg":"none"}', '{"sub":"me","exp":1}'), "--json"));
    expect(document).toMatchObject({
      verified: false,
      header: { alg: "none" },
      payload: { sub: "me", exp: 1 },
    });
    expect(document.problems[0]).toMatch(/This is no token: its alg is "none"/);
  });

  it("lets nothing in a token look like a row or move the cursor", async () => {
    const { stdout } = await inspect(
      forged(header, '{"sub":"a\\n  exp : never\\u001b[2J\\u202e","x\\n  Problems\\n":1}'),
    );
    expect(stdout).not.toMatch(/^ *exp : never/m);
    expect(stdout).not.toMatch(/^ {2}Problems$/m);
    for (const unseen of ["\u001b", "\u202e"]) expect(stdout).not.toContain(unseen);
  });

  it("takes a token from a file, from standard input, and from a person who is not shown it", async () => {
    const token = await issuer.mint();
    const file = join(machine.folder, "token");
    writeFileSync(file, token);
    const args = ["token", "inspect"];
    const outputs = await Promise.all([
      machine.run([...args, file]),
      machine.run(args, { input: token }),
      machine.runInTerminal(args, [["Token: ", `${token}\r`]]),
    ]);
    for (const output of outputs)
      expect("screen" in output ? output.screen : output.stdout).toContain("svc://billing/worker");
    expect(outputs[2].screen).not.toContain(token.slice(0, 20));
  });

  it("takes no token from its command line, and does not repeat it", async () => {
    const token = await issuer.mint();
    const { status, stdout, stderr } = await machine.run(["token", "inspect", token]);
    expect({ status, stdout, stderr }).toEqual({ status: 2, ...failed("invalid_option", "--help") });
    expect(stderr).not.toContain(token.slice(0, 20));
  });

  it("says what it lacks", async () => {
    const nothing = { status: 2, ...failed("input_required", "Name a file") };
    expect(await machine.run(["token", "inspect"])).toEqual(nothing);
    expect(await machine.run(["token", "inspect", "--no-input"], { input: "x" })).toEqual(nothing);
    expect(await inspect("no token")).toEqual({
      status: 3,
      ...failed("token_malformed", "letter by letter"),
    });
    expect((await inspect("a".repeat(70_000))).status).toBe(2);
  });
});

describe("a token that is inspected", () => {
  it("whatever it is: its parts or a problem, and never a throw", () => {
    const part = fc.oneof(
      fc.string(),
      fc.json(),
      fc.constant(header),
      fc.json().map((json) => `{"iat":${json},"exp":${json},"nbf":9e9,"aud":1}`),
    );
    const text = fc.oneof(
      fc.string(),
      fc.tuple(part, part).map(([head, body]) => forged(head, body)),
    );
    fc.assert(
      fc.property(text, fc.nat(), (token, now) => {
        const { problems } = inspectToken(token, now);
        expect(problems.length).toBeGreaterThan(0); // None of them has a sub that fits.
        for (const problem of problems) expect(problem).toMatch(/^[A-Z].*\.$/s);
      }),
    );
  });
});
