import { createHmac, sign } from "node:crypto";
import { InMemoryNonceStore, type JsonValue, type NonceStore, toBase64Url, utf8 } from "@authmesh/core";
import fc from "fast-check";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { ManualClock } from "../../../oath/test/fixtures/http-server.js";
import { createExchange, type Exchange } from "../../src/exchange/exchange.js";
import { readExchangeConfig } from "../../src/exchange/exchange-config.js";
import { gitHubClaims, gitLabClaims, newKey, OidcProvider } from "./oidc-provider.js";

const authority = "https://authority.example";
const gitHubKey = newKey("gh-2026-01");
const gitLabKey = newKey("gl-2026-01");
let gitHub: OidcProvider;
let gitLab: OidcProvider;
let clock: ManualClock;
let nonces: NonceStore;
let exchange: Exchange;

beforeEach(async () => {
  clock = new ManualClock();
  nonces = new InMemoryNonceStore(clock);
  gitHub = await OidcProvider.start([gitHubKey], onTestFinished);
  gitLab = await OidcProvider.start([gitLabKey], onTestFinished);
  exchange = exchangeOf(configuration());
});

function exchangeOf(config: JsonValue, store = nonces): Exchange {
  const made = createExchange({
    config: readExchangeConfig(config),
    issuer: authority,
    nonces: store,
    now: clock.now,
  });
  onTestFinished(() => made.close());
  return made;
}

const configuration = (rules: readonly JsonValue[] = [deploy, release, gitLabDeploy]): JsonValue => ({
  providers: [
    { preset: "github-actions", issuer: gitHub.issuer },
    { preset: "gitlab", issuer: gitLab.issuer },
  ],
  rules,
});

const deploy = {
  name: "deploy",
  provider: "github-actions",
  match: { repository_id: 74, ref: "refs/heads/main", ref_type: "branch", environment: "prod" },
  grant: {
    sub: "svc://ci/{repository}",
    aud: "https://api.example",
    act: ["orders.write", "orders.read"],
    scope: ["orders:write", "orders:read"],
    ttl: 180,
    env: "{environment}",
  },
};
const release = {
  name: "release",
  provider: "github-actions",
  match: { repository_id: 74, ref: "refs/tags/v*", ref_type: "tag" },
  grant: { sub: "svc://release/{repository}", aud: "https://registry.example", act: "packages.publish" },
};
const gitLabDeploy = {
  name: "gitlab-deploy",
  provider: "gitlab",
  match: { project_id: "20", ref_path: "refs/heads/*", ref_protected: true },
  grant: { sub: "svc://ci/{project_path}", aud: "https://api.example", act: "orders.write" },
};

const asks = (token: string, more: Readonly<Record<string, string>> = {}) =>
  new URLSearchParams({
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
    subject_token: token,
    audience: "https://api.example",
    action: "orders.write",
    ...more,
  });

const seconds = () => Math.floor(clock.now() / 1000);
const fromGitHub = (changes = {}, key = gitHubKey, header = {}) =>
  gitHub.token(gitHubClaims(gitHub.issuer, seconds(), changes), key, header);
const fromGitLab = (changes = {}) => gitLab.token(gitLabClaims(gitLab.issuer, seconds(), changes));

const decide = async (token: string | Promise<string>, more = {}, by = exchange) =>
  by.decide(asks(await token, more));
/** What a refusal says, in one line. */
async function refusal(...args: Parameters<typeof decide>): Promise<string> {
  const decision = await decide(...args);
  return decision.allowed ? "allowed" : `${decision.step}: ${decision.failure.code}`;
}

describe("an exchange", () => {
  it("gives a job of GitHub what its rule grants, with src from verified claims alone", async () => {
    const decision = await decide(fromGitHub(), { scope: "orders:write", ttl: "300" });
    expect(decision).toMatchObject({
      allowed: true,
      rule: "deploy",
      ttlSeconds: 180,
      incoming: { verified: true, sub: "repo:octo-org/octo-repo:environment:prod" },
    });
    expect(decision.allowed && decision.claims).toEqual({
      sub: "svc://ci/octo-org/octo-repo",
      aud: "https://api.example",
      act: "orders.write",
      scope: ["orders:write"],
      env: "prod",
      src: {
        type: "github-actions",
        repo: "octo-org/octo-repo",
        workflow: "octo-org/octo-repo/.github/workflows/deploy.yml@refs/heads/main",
        ref: "refs/heads/main",
        run_id: "30433642",
        sha: "d6fd1c7b3b1a0e6b3f3a3f1f2e6c3b0a9d8e7f60",
        environment: "prod",
      },
    });
  });

  it("gives a job of GitLab what its rule grants", async () => {
    const decision = await decide(fromGitLab());
    expect(decision.allowed && decision.claims).toEqual({
      sub: "svc://ci/mygroup/sub/myproject",
      aud: "https://api.example",
      act: "orders.write",
      src: {
        type: "gitlab",
        repo: "mygroup/sub/myproject",
        workflow: "gitlab.example.com/mygroup/sub/myproject//.gitlab-ci.yml@refs/heads/main",
        ref: "refs/heads/main",
        run_id: "574",
        sha: "714a629c0b401fdce83e847fc9589983fc6f46bc",
        environment: "production",
      },
    });
    expect(decision).toMatchObject({ ttlSeconds: 120 });
  });

  it("hands bindings on to the token", async () => {
    const rqh = `sha256:${"ab".repeat(32)}`;
    const cnf = "A".repeat(43);
    const decision = await decide(fromGitHub(), { rqh, cnf });
    expect(decision.allowed && decision.claims).toMatchObject({ rqh, cnf: { jkt: cnf } });
  });

  it("takes tokens of other providers, of ES256 and EdDSA too, by their sub", async () => {
    const keys = [newKey("es", "ES256"), newKey("ed", "EdDSA")];
    const other = await OidcProvider.start(keys, onTestFinished);
    const builds = exchangeOf({
      providers: [
        {
          name: "builds",
          issuer: other.issuer,
          claims: ["pipeline"],
          source: { repo: "pipeline", sha: "commit" },
        },
      ],
      rules: [
        {
          name: "acme",
          provider: "builds",
          match: { sub: "org:acme", pipeline: "deploy-*" },
          grant: { sub: "job://acme/{pipeline}", aud: "https://api.example", act: "orders.write" },
        },
      ],
    });
    for (const key of keys) {
      const claims = {
        iss: other.issuer,
        sub: "org:acme",
        aud: [authority],
        pipeline: "deploy-eu",
        commit: "c0ffee",
        iat: seconds(),
        exp: seconds() + 60,
      };
      const decision = await decide(other.token(claims, key), {}, builds);
      expect(decision.allowed && decision.claims).toMatchObject({
        sub: "job://acme/deploy-eu",
        src: { type: "builds", repo: "deploy-eu", sha: "c0ffee" },
      });
    }
  });
});

describe("a subject token", () => {
  it.each<[kind: string, expected: string, token: () => Promise<string> | string]>([
    [
      "for another audience",
      "audience: audience_mismatch",
      () => fromGitHub({ aud: "https://other.example" }),
    ],
    [
      "for the provider's usual audience",
      "audience: audience_mismatch",
      () => fromGitHub({ aud: "https://github.com/octo-org" }),
    ],
    [
      "for the authority with a slash behind it",
      "audience: audience_mismatch",
      () => fromGitHub({ aud: `${authority}/` }),
    ],
    [
      "for the authority and another besides",
      "audience: audience_mismatch",
      () => fromGitHub({ aud: [authority, "https://other.example"] }),
    ],
    ["for nobody", "audience: audience_mismatch", () => fromGitHub({ aud: undefined })],
    [
      "of an issuer that is not configured",
      "issuer: issuer_untrusted",
      () => fromGitHub({ iss: "https://token.actions.githubusercontent.com" }),
    ],
    [
      "of the issuer with a slash behind it",
      "issuer: issuer_untrusted",
      () => fromGitHub({ iss: `${gitHub.issuer}/` }),
    ],
    [
      "that names another provider than the one that signed it",
      "signature: key_unknown",
      () => fromGitHub({ iss: gitLab.issuer }),
    ],
    [
      "signed by a key that only bears the kid",
      "signature: signature_invalid",
      () => fromGitHub({}, { ...newKey("x"), kid: gitHubKey.kid }),
    ],
    ["of an unknown kid", "signature: key_unknown", () => fromGitHub({}, { ...gitHubKey, kid: "gh-2099" })],
    [
      "that has expired",
      "lifetime: token_expired",
      () => fromGitHub({ iat: seconds() - 400, exp: seconds() - 30 }),
    ],
    [
      "of the future",
      "lifetime: token_not_yet_valid",
      () => fromGitHub({ iat: seconds() + 31, exp: seconds() + 90 }),
    ],
    ["not good yet", "lifetime: token_not_yet_valid", () => fromGitHub({ nbf: seconds() + 31 })],
    ["without exp", "lifetime: token_malformed", () => fromGitHub({ exp: undefined })],
    ["without iat", "lifetime: token_malformed", () => fromGitHub({ iat: undefined })],
    [
      "that lives longer than a day",
      "lifetime: lifetime_exceeded",
      () => fromGitHub({ exp: seconds() + 86_401 }),
    ],
    ["that ends before it begins", "lifetime: lifetime_exceeded", () => fromGitHub({ exp: seconds() - 1 })],
    ["of 40,000 characters", "structure: token_malformed", () => fromGitHub({ padding: "x".repeat(30_000) })],
    ["of another typ", "structure: token_malformed", () => fromGitHub({}, gitHubKey, { typ: "at+jwt" })],
    ["without kid", "structure: token_malformed", () => fromGitHub({}, gitHubKey, { kid: undefined })],
    ["that is no JWT", "structure: token_malformed", () => "github_pat_11AAAA"],
  ])("%s is refused", async (_, expected, token) => {
    expect(await refusal(token())).toBe(expected);
  });

  it("without a signature is refused, however none is spelt", async () => {
    const [, payload] = (await fromGitHub()).split(".");
    for (const alg of ["none", "None", "NONE", "nOnE", ""]) {
      const header = toBase64Url(utf8(JSON.stringify({ alg, kid: gitHubKey.kid, typ: "JWT" })));
      expect(await refusal(`${header}.${payload}.`)).toBe("algorithm: algorithm_not_allowed");
      expect(await refusal(`${header}.${payload}`)).toBe("structure: token_malformed");
    }
  });

  it("signed with HS256 and the public key as secret is refused", async () => {
    const [, payload] = (await fromGitHub()).split(".");
    const header = toBase64Url(utf8(JSON.stringify({ alg: "HS256", kid: gitHubKey.kid, typ: "JWT" })));
    const secret = gitHubKey.publicKey.export({ type: "spki", format: "pem" });
    const mac = createHmac("sha256", secret).update(`${header}.${payload}`).digest();
    expect(await refusal(`${header}.${payload}.${toBase64Url(mac)}`)).toBe(
      "algorithm: algorithm_not_allowed",
    );
  });

  it("whose alg is another than its key's is refused, though the key signed it", async () => {
    const builds = exchangeOf({
      providers: [{ name: "builds", issuer: gitHub.issuer }],
      rules: [],
    });
    const [, payload] = (await fromGitHub()).split(".");
    const header = toBase64Url(utf8(JSON.stringify({ alg: "ES256", kid: gitHubKey.kid })));
    const signed = sign("RSA-SHA256", utf8(`${header}.${payload}`), gitHubKey.privateKey);
    expect(await refusal(`${header}.${payload}.${toBase64Url(signed)}`, {}, builds)).toBe(
      "signature: signature_invalid",
    );
  });

  it("with a header that must be understood, or that changes what is signed, is refused", async () => {
    const [, payload, signature] = (await fromGitHub()).split(".");
    for (const more of [{ crit: ["exp"] }, { b64: false }]) {
      const header = toBase64Url(utf8(JSON.stringify({ alg: "RS256", kid: gitHubKey.kid, ...more })));
      expect(await refusal(`${header}.${payload}.${signature}`)).toBe("structure: token_malformed");
    }
  });

  it("brings no key along", async () => {
    const stranger = newKey("gh-2099");
    const header = { jwk: stranger.publicKey.export({ format: "jwk" }), jku: `${gitLab.issuer}/keys` };
    expect(await refusal(fromGitHub({}, stranger, header))).toBe("signature: key_unknown");
    expect(gitLab.server.asked).toEqual([]);
  });

  it("that names a claim twice is refused", async () => {
    const [header, , signature] = (await fromGitHub()).split(".");
    const claims = JSON.stringify(gitHubClaims(gitHub.issuer, seconds())).replace(
      "{",
      '{"repository_id":"99",',
    );
    expect(await refusal(`${header}.${toBase64Url(utf8(claims))}.${signature}`)).toBe(
      "structure: token_malformed",
    );
  });

  it("that was changed in any one place is refused", async () => {
    const token = await fromGitHub();
    await fc.assert(
      fc.asyncProperty(fc.nat(token.length - 1), fc.constantFrom(..."AZaz09-_.="), async (at, letter) => {
        fc.pre(token[at] !== letter);
        const changed = token.slice(0, at) + letter + token.slice(at + 1);
        expect(await refusal(changed)).not.toBe("allowed");
      }),
      { numRuns: 200 },
    );
  });

  it("is decided on without an exception, whatever it is", async () => {
    const part = fc.oneof(
      fc.string(),
      fc.json().map((text) => toBase64Url(utf8(text))),
    );
    const any = fc.oneof(
      fc.string(),
      fc.tuple(part, part, part).map((parts) => parts.join(".")),
    );
    await fc.assert(
      fc.asyncProperty(any, async (token) => {
        expect(await refusal(token)).toMatch(/^(request|structure|issuer): /);
      }),
    );
  });
});

describe("one subject token", () => {
  it("is exchanged once until its leeway is over, and after that has expired", async () => {
    const token = await fromGitHub();
    expect(await refusal(token)).toBe("allowed");
    for (const later of [0, 299, 30]) {
      clock.sleep(later);
      expect(await refusal(token)).toBe("replay: replay_detected");
    }
    clock.sleep(1);
    expect(await refusal(token)).toBe("lifetime: token_expired");
  });

  it("is told from others by its jti, and without one by what was signed", async () => {
    expect(await refusal(fromGitHub({ jti: "one" }))).toBe("allowed");
    expect(await refusal(fromGitHub({ jti: "one", run_number: "11" }))).toBe("replay: replay_detected");
    expect(await refusal(fromGitLab({ jti: "one" }))).toBe("allowed");
    const without = await fromGitHub({ jti: undefined });
    expect(await refusal(without)).toBe("allowed");
    expect(await refusal(without)).toBe("replay: replay_detected");
  });

  it("is not used up by a refusal", async () => {
    const token = await fromGitHub();
    expect(await refusal(token, { action: "orders.delete" })).toBe("rule: exchange_denied");
    expect(await refusal(token)).toBe("allowed");
  });

  it("is accepted by one of two replicas that share a store", async () => {
    const token = await fromGitHub();
    const replica = exchangeOf(configuration());
    const outcomes = await Promise.all([refusal(token), refusal(token, {}, replica)]);
    expect(outcomes.sort()).toEqual(["allowed", "replay: replay_detected"]);
  });

  it("is refused where it is older than what the store remembers", async () => {
    const token = await fromGitHub();
    const anew = exchangeOf(configuration(), new InMemoryNonceStore({ ...clock, replayEpoch: true }));
    const decision = await decide(token, {}, anew);
    expect(decision).toMatchObject({
      step: "replay",
      failure: { code: "replay_epoch", fix: expect.stringContaining("new ID token") },
    });
    clock.sleep(1);
    expect(await refusal(fromGitHub(), {}, anew)).toBe("allowed");
  });

  it("is refused while the store cannot be asked", async () => {
    const broken: NonceStore = { checkAndRecord: () => Promise.reject(new Error("down")) };
    const down = exchangeOf(configuration(), broken);
    expect(await refusal(fromGitHub(), {}, down)).toBe("replay: replay_store_unavailable");
  });
});

describe("a rule", () => {
  it.each<[kind: string, changes: object]>([
    ["a fork's", { repository_id: "99", repository: "stranger/octo-repo", repository_owner_id: "98" }],
    ["a repository of the same name and another id", { repository_id: "99" }],
    ["a pull request", { event_name: "pull_request", ref: "refs/pull/1/merge" }],
    ["a pull request whose ref looks like the branch", { event_name: "pull_request" }],
    ["a pull request that runs beside the branch", { event_name: "pull_request_target" }],
    ["a run started by another workflow", { event_name: "workflow_run" }],
    ["an event that says nothing of itself", { event_name: undefined }],
    ["another branch", { ref: "refs/heads/main2" }],
    ["a branch below the branch", { ref: "refs/heads/main/x" }],
    ["a tag of the branch's name", { ref: "refs/tags/main", ref_type: "tag" }],
    ["another environment", { environment: "staging" }],
    ["no environment", { environment: undefined }],
    ["an environment that is no text", { environment: ["prod"] }],
  ])("denies %s", async (_, changes) => {
    expect(await refusal(fromGitHub(changes))).toBe("rule: exchange_denied");
  });

  it.each<[kind: string, changes: object]>([
    ["of another project with the same path", { project_id: "21" }],
    ["on an unprotected ref", { ref_protected: "false" }],
    ["on a tag", { ref_path: "refs/tags/main", ref_type: "tag" }],
    ["of a merge request, which may come from a fork", { pipeline_source: "merge_request_event" }],
    ["of a merge request by its ref", { ref_path: "refs/merge-requests/1/head" }],
    ["below a merge request", { pipeline_source: "parent_pipeline" }],
  ])("denies a job of GitLab %s", async (_, changes) => {
    expect(await refusal(fromGitLab(changes))).toBe("rule: exchange_denied");
  });

  it("is for the tokens of its own provider", async () => {
    const posing = gitLab.token(gitHubClaims(gitLab.issuer, seconds()));
    expect(await refusal(posing)).toBe("rule: exchange_denied");
  });

  it("still knows a repository that was renamed, by its id", async () => {
    const renamed = await decide(fromGitHub({ repository: "octo-org/new-name" }));
    expect(renamed.allowed && renamed.claims).toMatchObject({
      sub: "svc://ci/octo-org/new-name",
      src: { repo: "octo-org/new-name" },
    });
  });

  it("tells a branch from a tag", async () => {
    const tag = { ref: "refs/tags/v1.2.3", ref_type: "tag", environment: undefined };
    const ask = { audience: "https://registry.example", action: "packages.publish" };
    expect(await decide(fromGitHub(tag), ask)).toMatchObject({ allowed: true, rule: "release" });
    const branch = { ref: "refs/heads/v1.2.3", environment: undefined };
    expect(await refusal(fromGitHub(branch), ask)).toBe("rule: exchange_denied");
  });

  it("lets pull requests in where it names them", async () => {
    const pulls = { ...deploy, match: { repository_id: "74", event_name: ["pull_request"] } };
    const preview = exchangeOf(configuration([pulls]));
    expect(await refusal(fromGitHub({ event_name: "pull_request" }), {}, preview)).toBe("allowed");
    expect(await refusal(fromGitHub({ event_name: "push" }), {}, preview)).toBe("rule: exchange_denied");
  });

  it.each<[kind: string, asked: Readonly<Record<string, string>>]>([
    ["another audience", { audience: "https://registry.example" }],
    ["another action", { action: "orders.delete" }],
    ["another scope besides", { scope: "orders:write orders:admin" }],
    ["another subject", { sub: "svc://ci/octo-org/other" }],
    ["another env", { env: "staging" }],
  ])("does not grant %s", async (_, asked) => {
    expect(await refusal(fromGitHub(), asked)).toBe("rule: exchange_denied");
  });

  it("grants what is insisted on, when that is what it gives", async () => {
    const asked = { sub: "svc://ci/octo-org/octo-repo", env: "prod", ttl: "10" };
    expect(await decide(fromGitHub(), asked)).toMatchObject({ allowed: true, ttlSeconds: 10 });
  });

  it("says to its repository what is amiss, and to strangers nothing of itself", async () => {
    const own = await decide(fromGitHub({ ref: "refs/heads/x" }));
    const stranger = await decide(fromGitHub({ repository_id: "99", ref: "refs/heads/x" }));
    expect(!own.allowed && own.failure.detail).toContain(
      'deploy: its ref is "refs/heads/x", not refs/heads/main',
    );
    expect(!stranger.allowed && stranger.failure.detail).not.toContain("deploy");
    expect(!stranger.allowed && stranger.missed).toContainEqual({
      rule: "deploy",
      why: 'its repository_id is "99", not 74',
      ownersOwn: false,
    });
  });

  it("gives no name that a claim smuggles segments or the name of a device into", async () => {
    const wide = {
      ...deploy,
      match: { repository_id: "74" },
      grant: { ...deploy.grant, sub: "svc://{environment}/{repository}", env: "any" },
    };
    const named = exchangeOf(configuration([wide]));
    for (const environment of ["device", "a/b", "..", "a b", "é"])
      expect(await refusal(fromGitHub({ environment }), {}, named)).toBe("rule: exchange_denied");
    const repository = "octo-org/../device";
    expect(await refusal(fromGitHub({ repository }), {}, named)).toBe("rule: exchange_denied");
    expect(await refusal(fromGitHub({ environment: "blue" }), {}, named)).toBe("allowed");
  });
});

describe("a provider", () => {
  it("that rotates its keys is followed", async () => {
    expect(await refusal(fromGitHub())).toBe("allowed");
    const next = newKey("gh-2026-02");
    gitHub.keys = [next, gitHubKey];
    clock.pass(300);
    expect(await refusal(fromGitHub({}, next))).toBe("allowed");
    gitHub.keys = [next];
    clock.pass(3600);
    const settled = async () => (await refusal(fromGitHub())) === "signature: key_unknown";
    await expect.poll(settled).toBe(true);
  });

  it("that is down is missed only where its keys are not known, and nothing is used up by that", async () => {
    const token = await fromGitHub();
    await gitHub.server.stop();
    const decision = await decide(token);
    expect(decision).toMatchObject({ allowed: false, failure: { code: "issuer_unreachable", status: 503 } });
    expect(await refusal(fromGitLab())).toBe("allowed");
    await gitLab.server.stop();
    expect(await refusal(fromGitLab())).toBe("allowed");
    await gitHub.server.start();
    clock.pass(60);
    expect(await refusal(token)).toBe("allowed");
  });

  it.each<[kind: string, configuration: Readonly<Record<string, unknown>>]>([
    ["for another issuer", { issuer: "https://other.example" }],
    ["with keys elsewhere", { jwks_uri: "http://127.0.0.2:1/keys" }],
    ["with keys that anybody could send", { jwks_uri: "http://keys.example/keys" }],
    ["without keys", { jwks_uri: undefined }],
  ])("whose configuration is one %s is not believed", async (_, configuration) => {
    gitHub.configuration = configuration;
    expect(await refusal(fromGitHub())).toBe("signature: issuer_unreachable");
  });

  it("signs with nothing weaker than RSA of 2048 bits", async () => {
    const weak = newKey("weak", "RS256", 1024);
    gitHub.keys = [weak, gitHubKey];
    const header = toBase64Url(utf8(JSON.stringify({ alg: "RS256", kid: "weak" })));
    const payload = toBase64Url(utf8(JSON.stringify(gitHubClaims(gitHub.issuer, seconds()))));
    const signed = sign("RSA-SHA256", utf8(`${header}.${payload}`), weak.privateKey);
    expect(await refusal(`${header}.${payload}.${toBase64Url(signed)}`)).toBe("signature: key_unknown");
    expect(await refusal(fromGitHub())).toBe("allowed");
  });
});
