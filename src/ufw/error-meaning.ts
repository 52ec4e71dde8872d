// What an error at ufw's start means for the filter, in words: harmless or not, and why.
import { unreachable } from '../model/unreachable.ts';
import type { StartupError } from './startup-errors.ts';

export type Meaning = { readonly harmless: boolean; readonly what: string; readonly why: string };

export function meaningOf(error: StartupError): Meaning {
  switch (error.kind) {
    case 'no-module-directory':
      return {
        harmless: true,
        what: 'modprobe finds no modules of the running kernel',
        why: "in a container the modules are the host's affair: ufw ignores this and goes on; it comes once for each name in IPT_MODULES",
      };
    case 'module':
      return {
        harmless: true,
        what: `modprobe cannot load ${error.name ?? 'a module'}`,
        why: 'IPT_MODULES names helpers for single protocols, such as FTP; ufw ignores this and goes on',
      };
    case 'no-modprobe':
      return {
        harmless: true,
        what: 'there is no modprobe',
        why: 'ufw ignores this and goes on; what the kernel needs of netfilter, it loads by itself or has built in',
      };
    case 'sysctl':
      return sysctlMeaning(error);
    case 'tables':
      return {
        harmless: false,
        what: `${error.family === 4 ? 'iptables' : 'ip6tables'} refused: ${error.said}`,
        why: 'these rules are not loaded',
      };
    case 'rules-file':
      return {
        harmless: false,
        what: `the rules of ${error.path} were not loaded`,
        why: 'the whole file counts or none of it',
      };
    case 'hook':
      return {
        harmless: false,
        what: `${error.path} failed`,
        why: 'what it was to do before or after the rules is not done',
      };
    case 'missing-file':
      return {
        harmless: false,
        what: `${error.path} is missing`,
        why: 'ufw gives up without it, and nothing is filtered',
      };
    case 'ipv6-skipped':
      return { harmless: false, what: 'the rules for IPv6 were skipped', why: 'IPv6 goes through unfiltered' };
    case 'logging-rules':
      return {
        harmless: false,
        what: 'the logging rules were not loaded',
        why: 'packets are dropped without a line in the log',
      };
    case 'not-started':
      return { harmless: false, what: 'ufw did not start', why: 'nothing, or only a part, is filtered' };
    default:
      return unreachable(error);
  }
}

function sysctlMeaning({ fault, key }: Extract<StartupError, { kind: 'sysctl' }>): Meaning {
  const name = key === undefined ? 'a kernel setting' : `${key.name}${key.cut ? '…' : ''}`;
  switch (fault) {
    case 'denied':
      return {
        harmless: true,
        what: `${name} must not be written here`,
        why: 'this setting belongs to the host of the container; the filter does not depend on it',
      };
    case 'absent':
      return {
        harmless: true,
        what: `${name} does not exist here`,
        why: 'this kernel does not have it; the filter does not depend on it',
      };
    case 'value':
      return {
        harmless: true,
        what: `the kernel refuses the value for ${name}`,
        why: 'it keeps the value that it had; the filter does not depend on it',
      };
    default:
      return unreachable(fault);
  }
}
