import { AmeshError } from "@authmesh/core";

/** The gateway is a package of its own. @throws AmeshError `package_missing` */
export async function loadGateway(): Promise<typeof import("@authmesh/gateway")> {
  try {
    return await import("@authmesh/gateway");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new AmeshError("package_missing", "The gateway is a package of its own, and it is not installed.", {
      fix: "npm install --global @authmesh/gateway",
      cause,
    });
  }
}
