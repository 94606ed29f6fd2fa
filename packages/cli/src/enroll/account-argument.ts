import type { ArgumentManual } from "../manual.js";

export const accountArgument: ArgumentManual = {
  name: "@NAME",
  about: "the account: @ and 2 to 32 letters, digits and hyphens",
};
