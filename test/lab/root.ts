// Why tests that need the real kernel are skipped, or false.
export const skipWithoutRoot = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
