/** Debian's own: the first `python3` of the PATH may be a wrapper that chooses among several, and takes a second to start. */
export const python = '/usr/bin/python3';
