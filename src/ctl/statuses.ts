// Exit statuses of spawn-fcgictl; docs/spawn-fcgictl.md has the table for users. 1, 2 and 3 of a
// reload come with its result.
export const ctlStatus = {
  ok: 0,
  /** `ping`: answered, but nobody serves; with --strict also when saturated. */
  notServing: 1,
  noSuchPool: 4,
  notPermitted: 5,
  /** Or the supervisor is busy with something else for too long. */
  noAnswer: 6,
  otherVersion: 7,
  usage: 255,
} as const;
