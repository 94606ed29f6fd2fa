import { AmeshError } from "@authmesh/core";

/** Ctrl-C or Ctrl-D in the place of an answer, which is not a no. */
export const interrupted = () =>
  new AmeshError("declined", "The question was interrupted. Nothing was changed.", {
    fix: "Run the command again to be asked again.",
  });
