/** Why a model can't be added, for the operator at the terminal: it may name files, and says what to do. */
export class AddError extends Error {
  override readonly name = 'AddError';
}
