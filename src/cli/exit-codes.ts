// The exit codes of every command; the man page lists them.
export const exitCodes = {
  fine: 0,
  /** The policy, the host file or a proof has faults. */
  faults: 1,
  /** Wrong usage, or the machine refused. */
  refused: 2,
  /** What was tried did not come out as it must. */
  verificationFailed: 3,
  /** The change was taken back. */
  rolledBack: 4,
  /** It would have cut off the connection that the command came by, and was not done. */
  lockedOut: 5,
  /** What is loaded is not what should be. */
  drift: 6,
  bug: 70,
  interrupted: 130,
} as const;
