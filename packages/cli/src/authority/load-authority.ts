import { AmeshError } from "@authmesh/core";

/** The issuer is a package of its own. @throws AmeshError `package_missing` */
export async function loadAuthority(): Promise<typeof import("@authmesh/authority")> {
  try {
    return await import("@authmesh/authority");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new AmeshError(
      "package_missing",
      "The authority is a package of its own, and it is not installed.",
      {
        fix: "npm install --global @authmesh/authority",
        cause,
      },
    );
  }
}
