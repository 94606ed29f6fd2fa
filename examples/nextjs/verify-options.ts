import type { VerifyOptions } from "@authmesh/sdk/next";

/** The host is the one callers put into their URLs. */
export const options: VerifyOptions = { audience: process.env.AMESH_AUDIENCE ?? "localhost:3000" };
