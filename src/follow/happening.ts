// What the daemon has to tell, each as one line and one record.
import type { Drift } from '../apply/drift.ts';

export type Happening =
  | { readonly kind: 'following' | 'ended'; readonly words: string }
  /** A port of a managed bridge came, went, or is another one's. */
  | {
      readonly kind: 'port';
      readonly port: string;
      readonly bridge: string;
      /** Who is behind it, or was. */
      readonly guest?: string;
      readonly words: string;
    }
  /** What somebody changed, and what became of it. */
  | {
      readonly kind: 'drift';
      readonly what: Drift['kind'];
      readonly port?: string;
      readonly words: string;
      readonly outcome: 'restored' | 'reported' | 'over';
    }
  /** Of the policy in force, held against the host. */
  | { readonly kind: 'fault'; readonly words: string }
  /** Other rules are in force: somebody applied, confirmed or took back a change, or its time was over. */
  | { readonly kind: 'generation'; readonly outcome: GenerationOutcome; readonly words: string }
  /** The policy's file is not what is in force. */
  | { readonly kind: 'policy'; readonly words: string }
  /** What could not be done; it is tried again. */
  | { readonly kind: 'trouble'; readonly words: string };

export type GenerationOutcome = 'waits' | 'applied' | 'confirmed' | 'taken-back';

/** Milliseconds since 1970. */
export type Told = { readonly at: number; readonly happening: Happening };
