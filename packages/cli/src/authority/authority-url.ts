import { AmeshError, quoteForeign } from "@authmesh/core";
import { trustworthyUrl } from "@authmesh/oath/caller";
import type { Call } from "../call.js";
import type { OptionManual, Row } from "../manual.js";

export const authorityUrlOption: OptionManual = {
  flags: "--authority URL",
  about: "the authority (AMESH_AUTHORITY_URL; default http://localhost:4000)",
};

export const authorityUrlEnvironment: Row = ["AMESH_AUTHORITY_URL", "used where --authority is not given"];

/** @throws AmeshError `invalid_option` for anything but https, and http on loopback */
export function readAuthorityUrl(call: Call): URL {
  const text = call.text("authority") ?? (process.env["AMESH_AUTHORITY_URL"] || "http://localhost:4000");
  const url = trustworthyUrl(text);
  if (url !== undefined && url.search === "") return url;
  throw new AmeshError(
    "invalid_option",
    `--authority is neither an https URL nor one of http on loopback: ${quoteForeign(text)}.`,
  );
}
