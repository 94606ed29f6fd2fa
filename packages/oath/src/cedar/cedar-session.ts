import type { AuthorizationAnswer } from "@cedar-policy/cedar-wasm/nodejs";
import type { CedarRequest } from "./cedar-request.js";
import { type CedarText, type NamedPolicies, problem, succeed } from "./cedar-text.js";
import { type Cedar, loadCedar } from "./load-cedar.js";

/** What an instance calls the one set of policies, and the one schema, that it holds. */
const only = "policy";

/** Policies in an instance of Cedar, which is replaced where it breaks. */
export class CedarSession {
  readonly #policies: NamedPolicies;
  readonly #source: CedarText;
  readonly #schema: { readonly preparsedSchemaName?: string };
  #cedar: Cedar | undefined;

  /** @throws AmeshError `policy_invalid` */
  constructor(cedar: Cedar, policies: NamedPolicies, source: CedarText) {
    this.#policies = policies;
    this.#source = source;
    this.#schema = source.schema === undefined ? {} : { preparsedSchemaName: only };
    this.#cedar = this.#prepare(cedar);
    this.#check(cedar);
  }

  /** @returns undefined where Cedar broke */
  ask(request: CedarRequest): AuthorizationAnswer | undefined {
    try {
      this.#cedar ??= this.#prepare(loadCedar());
      return this.#cedar.statefulIsAuthorized({
        ...request,
        ...this.#schema,
        preparsedPolicySetId: only,
        validateRequest: true,
        entities: this.#source.entities,
      });
    } catch {
      this.#cedar = undefined;
      return undefined;
    }
  }

  #prepare(cedar: Cedar): Cedar {
    const { schema } = this.#source;
    if (schema !== undefined) succeed(cedar.preparseSchema(only, schema));
    succeed(cedar.preparsePolicySet(only, this.#policySet));
    return cedar;
  }

  #check(cedar: Cedar): void {
    const { entities, schema } = this.#source;
    succeed(cedar.checkParseEntities({ entities, schema: schema ?? null }));
    if (schema === undefined) return;
    const { validationErrors } = succeed(cedar.validate({ schema, policies: this.#policySet }));
    if (validationErrors[0] !== undefined) throw problem(validationErrors[0].error);
  }

  get #policySet() {
    const texts = [...this.#policies].map(([name, { text }]) => [name, text]);
    return { staticPolicies: Object.fromEntries(texts) as Record<string, string> };
  }
}
