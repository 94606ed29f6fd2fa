import { AmeshError } from "@authmesh/core";
import { accountName, mailAddress } from "@authmesh/core/enrollment";
import { Misfit, type Reader, record, text } from "@authmesh/core/records";
import type { Context } from "hono";
import type { Registration } from "../accounts/registration.js";
import { refuseWithoutAudit, type Services } from "../services.js";
import { jsonBody } from "./json-body.js";
import { tooOften } from "./proof-limits.js";
import { RateLimit } from "./rate-limit.js";

const name: Reader<string> = (value, at) => accountName(text(/^.{0,64}$/su, "a name")(value, at));

const email: Reader<string> = (value, at) => {
  const address = typeof value === "string" ? mailAddress(value) : undefined;
  if (address === undefined) throw new Misfit(`${at} is not a mail address such as you@example.com`);
  return address;
};

const registrationShape = record({ account: name, email });
const activationShape = record({ account: name, code: text(/^.{1,64}$/su, "a code") });

/** Registration over HTTP (docs/protocol.md, section 10.4). */
export class AccountRoutes {
  readonly #services: Pick<Services, "addressOf" | "audit" | "tellChanges">;
  readonly #registration: Registration | undefined;
  readonly #addresses = new RateLimit(30);
  /** A mail each two minutes: nobody's mailbox is filled by this. */
  readonly #mailboxes = new RateLimit(0.5);

  /** @param registration undefined where it is closed */
  constructor(services: Services, registration: Registration | undefined) {
    this.#services = services;
    this.#registration = registration;
  }

  /** `POST /v1/accounts` */
  register = async (context: Context): Promise<Response> => {
    const registration = this.#admit(context);
    const { account, email } = await jsonBody(context, registrationShape, "The registration");
    // Not told: whoever asks cannot know who else did.
    if (this.#mailboxes.take(email) === undefined) registration.ask(account, email);
    return context.json({ status: "sent" }, 202, { "Cache-Control": "no-store" });
  };

  /** `POST /v1/accounts/activation` */
  activate = async (context: Context): Promise<Response> => {
    const registration = this.#admit(context);
    const { account, code } = await jsonBody(context, activationShape, "The activation");
    refuseWithoutAudit(this.#services);
    const opened = await registration.activate(account, code);
    await this.#services.tellChanges();
    return context.json(opened, 201, { "Cache-Control": "no-store" });
  };

  #admit(context: Context): Registration {
    if (this.#registration === undefined) throw new AmeshError("registration_closed");
    const seconds = this.#addresses.take(this.#services.addressOf(context));
    if (seconds !== undefined) throw tooOften(seconds);
    return this.#registration;
  }
}
