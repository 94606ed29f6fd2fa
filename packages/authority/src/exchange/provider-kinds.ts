import type { TokenSource } from "@authmesh/oath";
import type { ProviderAlgorithm } from "./provider-key.js";

/**
 * What a trust rule may do with a claim of a provider.
 *
 * - `identity`: says for good who owns the job. Compared exactly. Every rule names one: without it, a rule would let
 *   in the jobs of strangers, or of whoever takes over a name that was given up.
 * - `exact`: compared exactly.
 * - `glob`: compared with globs.
 * - `path`: compared with globs; a template takes it over with its slashes.
 */
export type ClaimUse = "identity" | "exact" | "glob" | "path";

/** What the authority knows of a kind of OIDC provider (docs/protocol.md, section 8.10). */
export interface ProviderKind {
  /** Where there is one for everybody. */
  readonly issuer?: string;
  /** What it signs with. */
  readonly algorithms: readonly ProviderAlgorithm[];
  /** The claims that rules and templates may name. */
  readonly claims: Readonly<Record<string, ClaimUse>>;
  /** Which claim fills which member of a token's `src`. */
  readonly source: Readonly<Partial<Record<SourceMember, string>>>;
  /** A claim that reads in two ways without another one: a branch and a tag may have one name. */
  readonly ambiguous?: { readonly claim: string; readonly without: string; readonly better: string };
  /** What may start a job without its rule having to say so: what only those can cause who may write to the project. */
  readonly event?: { readonly claim: string; readonly trusted: readonly string[] };
}

export type SourceMember = Exclude<keyof TokenSource, "type">;

/** By the name that configurations use. */
export const providerKinds = {
  "github-actions": {
    issuer: "https://token.actions.githubusercontent.com",
    algorithms: ["RS256"],
    claims: {
      repository_id: "identity",
      repository_owner_id: "identity",
      repository: "path",
      repository_owner: "glob",
      repository_visibility: "exact",
      ref: "glob",
      ref_type: "exact",
      ref_protected: "exact",
      environment: "glob",
      job_workflow_ref: "glob",
      workflow_ref: "glob",
      event_name: "exact",
      runner_environment: "exact",
    },
    source: {
      repo: "repository",
      workflow: "workflow_ref",
      ref: "ref",
      run_id: "run_id",
      sha: "sha",
      environment: "environment",
    },
    // A pull request runs what its author wrote, and the token does not say whether it came from a fork.
    event: {
      claim: "event_name",
      trusted: ["push", "workflow_dispatch", "repository_dispatch", "schedule", "release", "deployment"],
    },
  },
  gitlab: {
    issuer: "https://gitlab.com",
    algorithms: ["RS256"],
    claims: {
      project_id: "identity",
      namespace_id: "identity",
      project_path: "path",
      namespace_path: "path",
      ref: "glob",
      ref_type: "exact",
      ref_path: "glob",
      ref_protected: "exact",
      environment: "glob",
      environment_protected: "exact",
      deployment_tier: "exact",
      ci_config_ref_uri: "glob",
      pipeline_source: "exact",
      runner_environment: "exact",
    },
    source: {
      repo: "project_path",
      workflow: "ci_config_ref_uri",
      ref: "ref_path",
      run_id: "pipeline_id",
      sha: "sha",
      environment: "environment",
    },
    ambiguous: { claim: "ref", without: "ref_type", better: "ref_path" },
    // A merge request from a fork can run in the parent project, with the parent's project_id.
    event: {
      claim: "pipeline_source",
      trusted: ["push", "web", "schedule", "api", "trigger", "pipeline"],
    },
  },
} as const satisfies Readonly<Record<string, ProviderKind>>;

/** Of any other provider, whose configuration says what claims it has and which of them name an owner. */
export const otherProvider = {
  algorithms: ["RS256", "ES256", "EdDSA"],
} as const satisfies Partial<ProviderKind>;
