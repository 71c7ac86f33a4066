import { type Address, parseAddress } from "../../src/common/address.ts";

/** The address that a text stands for. Throws when it is none. */
export function addressOf(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return address;
}
