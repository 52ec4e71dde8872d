// What the daemon has to tell, each as one line and one record.
import type { Drift } from '../apply/drift.ts';

export type Happening =
  | { readonly kind: 'following' | 'ended'; readonly words: string }
  /** A port of a managed bridge came, went, or is another one's. */
  | { readonly kind: 'port'; readonly port: string; readonly bridge: string; readonly words: string }
  /** What somebody changed, and what became of it. */
  | {
      readonly kind: 'drift';
      readonly what: Drift['kind'];
      readonly words: string;
      readonly outcome: 'restored' | 'reported' | 'over';
    }
  /** Of the policy in force, held against the host. */
  | { readonly kind: 'fault'; readonly words: string }
  /** The policy's file is not what is in force. */
  | { readonly kind: 'policy'; readonly words: string }
  /** What could not be done; it is tried again. */
  | { readonly kind: 'trouble'; readonly words: string };

/** Milliseconds since 1970. */
export type Told = { readonly at: number; readonly happening: Happening };
