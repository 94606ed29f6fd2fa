import { AmeshError } from "@authmesh/core";

export const tooLarge = (maxBytes: number) =>
  new AmeshError("payload_too_large", `The body has more than ${maxBytes} bytes, which is the limit.`);
