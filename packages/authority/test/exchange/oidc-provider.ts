import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { exportJWK, type JWTPayload, SignJWT } from "jose";
import { HttpServer, json } from "../../../oath/test/fixtures/http-server.js";

/** A key of a provider, as its JWK Set shows it. */
export interface SigningKey {
  readonly kid: string;
  readonly alg: "RS256" | "ES256" | "EdDSA";
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export function newKey(kid: string, alg: SigningKey["alg"] = "RS256", modulusLength = 2048): SigningKey {
  const pair =
    alg === "RS256"
      ? generateKeyPairSync("rsa", { modulusLength })
      : alg === "ES256"
        ? generateKeyPairSync("ec", { namedCurve: "P-256" })
        : generateKeyPairSync("ed25519");
  return { kid, alg, ...pair };
}

/** An OIDC provider over HTTP: its configuration, its JWK Set, and tokens signed by jose. */
export class OidcProvider {
  readonly server: HttpServer;
  keys: readonly SigningKey[];
  /** Members of the configuration that differ from what they should be. */
  configuration: Readonly<Record<string, unknown>> = {};

  private constructor(server: HttpServer, keys: readonly SigningKey[]) {
    this.server = server;
    this.keys = keys;
  }

  static async start(
    keys: readonly SigningKey[],
    ended: (stop: () => Promise<void>) => void,
  ): Promise<OidcProvider> {
    const server = await HttpServer.start(() => {}, ended);
    const provider = new OidcProvider(server, keys);
    server.answer = async (response, { url }) => {
      const jwks_uri = `${provider.issuer}/oauth/discovery/keys`;
      if (url === "/.well-known/openid-configuration")
        json({ issuer: provider.issuer, jwks_uri, ...provider.configuration })(response, undefined as never);
      else if (url === "/oauth/discovery/keys")
        json({ keys: await Promise.all(provider.keys.map(published)) })(response, undefined as never);
      else response.writeHead(404).end();
    };
    return provider;
  }

  get issuer(): string {
    return this.server.url;
  }

  /** @param changes of the claims; undefined takes one away */
  token(
    claims: JWTPayload,
    key: SigningKey = this.keys[0] as SigningKey,
    header: object = {},
  ): Promise<string> {
    const { kid, alg, privateKey } = key;
    return new SignJWT(claims)
      .setProtectedHeader({ typ: "JWT", alg, kid, x5t: "hcUmpX1E-oHJM0rN0J6Rme0z1wk", ...header })
      .sign(privateKey);
  }
}

const published = async ({ kid, alg, publicKey }: SigningKey) => ({
  ...(await exportJWK(publicKey)),
  kid,
  alg,
  use: "sig",
});

type Claims = Readonly<Record<string, unknown>>;

/** What GitHub documents for a job on a branch, and what stands in for undefined is left out. */
export const gitHubClaims = (iss: string, at: number, changes: Claims = {}): JWTPayload =>
  given({
    jti: `gh-${counter++}`,
    sub: "repo:octo-org/octo-repo:environment:prod",
    aud: "https://authority.example",
    ref: "refs/heads/main",
    sha: "d6fd1c7b3b1a0e6b3f3a3f1f2e6c3b0a9d8e7f60",
    repository: "octo-org/octo-repo",
    repository_owner: "octo-org",
    actor_id: "12",
    repository_visibility: "private",
    repository_id: "74",
    repository_owner_id: "65",
    run_id: "30433642",
    run_number: "10",
    run_attempt: "2",
    runner_environment: "github-hosted",
    actor: "octocat",
    workflow: "deploy",
    workflow_ref: "octo-org/octo-repo/.github/workflows/deploy.yml@refs/heads/main",
    workflow_sha: "d6fd1c7b3b1a0e6b3f3a3f1f2e6c3b0a9d8e7f60",
    head_ref: "",
    base_ref: "",
    event_name: "push",
    ref_protected: "true",
    ref_type: "branch",
    environment: "prod",
    job_workflow_ref: "octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main",
    job_workflow_sha: "1f2e3d4c5b6a798897a6b5c4d3e2f10918273645",
    iss,
    nbf: at - 600,
    iat: at,
    exp: at + 300,
    ...changes,
  });

/** What GitLab documents for a job of a branch pipeline. */
export const gitLabClaims = (iss: string, at: number, changes: Claims = {}): JWTPayload =>
  given({
    iss,
    sub: "project_path:mygroup/sub/myproject:ref_type:branch:ref:main",
    aud: "https://authority.example",
    namespace_id: "72",
    namespace_path: "mygroup/sub",
    project_id: "20",
    project_path: "mygroup/sub/myproject",
    user_id: "1",
    user_login: "sample-user",
    user_email: "sample-user@example.com",
    user_identities: [{ provider: "github", extern_uid: "2435223452345" }],
    pipeline_id: "574",
    pipeline_source: "push",
    job_id: "302",
    job_project_id: "20",
    job_project_path: "mygroup/sub/myproject",
    ref: "main",
    ref_type: "branch",
    ref_path: "refs/heads/main",
    ref_protected: "true",
    groups_direct: ["mygroup/sub"],
    environment: "production",
    environment_protected: "true",
    deployment_tier: "production",
    environment_action: "start",
    runner_id: 1,
    runner_environment: "self-hosted",
    sha: "714a629c0b401fdce83e847fc9589983fc6f46bc",
    project_visibility: "public",
    ci_config_ref_uri: "gitlab.example.com/mygroup/sub/myproject//.gitlab-ci.yml@refs/heads/main",
    ci_config_sha: "714a629c0b401fdce83e847fc9589983fc6f46bc",
    jti: `gl-${counter++}`,
    iat: at,
    nbf: at - 5,
    exp: at + 3600,
    ...changes,
  });

let counter = 0;

/** What is undefined is left out. */
const given = (claims: Claims): JWTPayload =>
  Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
