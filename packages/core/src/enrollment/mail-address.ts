/** An address as it may stand in a header and an envelope without quoting: nothing in it can begin another line or name. */
const address =
  /^(?=.{3,254}$)[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,63})*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** The one form of a mail address that is kept and compared, of lower case; undefined for what is none. */
export function mailAddress(text: string): string | undefined {
  const spelt = text.toLowerCase();
  return address.test(spelt) ? spelt : undefined;
}
