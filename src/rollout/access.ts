import { KindredError } from '../errors.js';

/** Who a request says that it is: nobody, the admin, or one with a token that is none. */
export type AdminAccess = 'none' | 'granted' | 'refused';

/** Throws UNAUTHENTICATED for all but the admin. */
export function demandAdmin(access: AdminAccess): void {
  if (access === 'granted') return;
  const what = access === 'none' ? 'none was sent' : 'another was sent';
  throw new KindredError(
    'UNAUTHENTICATED',
    `expected the admin token as \`authorization: Bearer\`, but ${what}`,
  );
}
