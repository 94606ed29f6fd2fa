import type { NextConfig } from "next";

const config: NextConfig = {
  // Left to Node.js and not bundled: key stores load what is native, and all routes share one memory of nonces.
  serverExternalPackages: ["@authmesh/sdk"],
  // This folder alone is the application, whatever lockfiles are above it.
  turbopack: { root: import.meta.dirname },
};

export default config;
