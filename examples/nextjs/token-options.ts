import { compilePolicy } from "@authmesh/oath";
import type { VerifyTokenOptions } from "@authmesh/sdk/next";

/** A policy in code: it runs on the edge too, where no file can be read. */
const policy = compilePolicy({
  version: 1,
  rules: [{ name: "services", effect: "allow", subject: "svc://**", action: "orders.*" }],
});

export const tokenOptions: VerifyTokenOptions = {
  audience: "orders",
  trustedIssuers: [process.env.AMESH_ISSUER ?? "http://localhost:4000"],
  policy,
};
