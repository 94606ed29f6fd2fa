/** How many bits of work a relay asks for once so much of a limit is used (docs/protocol.md, section 6.8); the hottest first. */
const steps = [
  { share: 7 / 8, bits: 18 },
  { share: 3 / 4, bits: 16 },
  { share: 1 / 2, bits: 14 },
] as const;

/**
 * @param isUsed whether at least this share of anything that counts is used
 * @returns the bits to ask for; 0 when the relay is not hot
 */
export const workFor = (isUsed: (share: number) => boolean): number =>
  steps.find(({ share }) => isUsed(share))?.bits ?? 0;
