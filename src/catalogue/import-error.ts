/** Exit codes of `kindred import`, beside 2 for wrong usage. */
export const IMPORT_EXIT = {
  /** Every row is in. */
  ok: 0,
  /** It could not finish (config, file, store or model); nothing wrong with rows. The same command resumes. */
  failed: 1,
  /** Wrong usage. */
  usage: 2,
  /** It finished, and rejected rows. */
  rejected: 3,
  /** SIGINT; the same command resumes. */
  interrupted: 130,
  /** SIGTERM; the same command resumes. */
  terminated: 143,
} as const;

/** What stops an import or a reader as a whole; its message is for the operator and may name files. */
export class ImportError extends Error {
  override readonly name = 'ImportError';
}
