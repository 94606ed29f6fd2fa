export {
  readSecretFile,
  type SecretSource,
  secretFrom,
  secretMissing,
  variablesInUse,
} from "@authmesh/core/server-program";

/** Asks a person for a secret: "Passphrase of the key file". What is typed is not shown. */
export type PromptSecret = (what: string) => Promise<string>;
