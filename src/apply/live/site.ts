// Where rules are loaded, and by whom.
import type { Access } from '../../machine/access.ts';

/** `state` is an absolute path; `command` tells others who holds the lock. */
export type Site = { readonly access: Access; readonly state: string; readonly command: string };
