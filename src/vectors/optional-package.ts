/** Loads a package that only some stores need; where it is missing, the error says how to get it. */
export async function optionalPackage<T>(name: string, neededBy: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') throw error;
    throw new Error(`${neededBy} needs the package ${name}, which is not installed: npm install ${name}`, {
      cause: error,
    });
  }
}
