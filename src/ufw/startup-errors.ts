// Log lines of a start of ufw -> what went wrong there. Lines may be cut anywhere, as pagers cut them, and hold any bytes;
// lines of other programs are not ours, also when they say the same.

export type StartupError =
  /** modprobe finds no modules of the running kernel. */
  | { readonly kind: 'no-module-directory' }
  /** `name` is not known when the line does not say it or is cut. */
  | { readonly kind: 'module'; readonly name?: string }
  | { readonly kind: 'no-modprobe' }
  | { readonly kind: 'sysctl'; readonly fault: SysctlFault; readonly key?: SysctlKey }
  /** iptables or ip6tables refused something. */
  | { readonly kind: 'tables'; readonly family: 4 | 6; readonly said: string }
  | { readonly kind: 'rules-file'; readonly path: string }
  | { readonly kind: 'hook'; readonly path: string }
  | { readonly kind: 'missing-file'; readonly path: string }
  | { readonly kind: 'ipv6-skipped' }
  | { readonly kind: 'logging-rules' }
  | { readonly kind: 'not-started' };

export type SysctlFault = 'denied' | 'absent' | 'value';

export type SysctlKey = {
  /** With `/` between its parts. */
  readonly name: string;
  /** The line ends within it. */
  readonly cut: boolean;
};

/** `line` counts from 1. */
export type FoundError = { readonly error: StartupError; readonly line: number; readonly text: string };

/** What a log holds is read up to this length of a line; ufw's own words are far shorter. */
const longestLine = 4_096;

export function startupErrors(log: string): readonly FoundError[] {
  return log.split('\n').flatMap((text, index) => {
    const error = errorOf(text.slice(0, longestLine));
    return error === undefined ? [] : [{ error, line: index + 1, text: text.slice(0, longestLine).trimEnd() }];
  });
}

function errorOf(line: string): StartupError | undefined {
  const { tag, message } = parted(line);
  if (tag === undefined || tag === 'ufw' || tag === 'ufw-init') return errorIn(message);
  return tag === 'systemd' ? unitError(message) : undefined;
}

/** `Apr 05 14:21:03 host ufw[147]: text`, the same with an ISO time, or the bare text. */
const headPattern =
  /^(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})?|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S{0,20}) \S{1,255} ([^\s:[]{1,64})(?:\[\d{1,10}\])?: ?/;

function parted(line: string): { readonly tag?: string; readonly message: string } {
  const match = headPattern.exec(line);
  return match === null ? { message: line } : { tag: match[1] ?? '', message: line.slice(match[0].length) };
}

function unitError(message: string): StartupError | undefined {
  const failed =
    /^(?:ufw\.service: (?:Failed with result|Main process exited)|Failed to start .*(?:ufw|[Uu]ncomplicated firewall))/;
  return failed.test(message) ? { kind: 'not-started' } : undefined;
}

function errorIn(message: string): StartupError | undefined {
  return moduleError(message) ?? sysctlError(message) ?? tablesError(message) ?? ufwError(message);
}

/** kmod's wordings, and module-init-tools' before it. */
function moduleError(message: string): StartupError | undefined {
  const at = message.indexOf('modprobe: ');
  const text = at >= 0 ? message.slice(at + 10) : /^(?:FATAL|ERROR): /.test(message) ? message : undefined;
  if (text === undefined) return undefined;
  if (/^(?:command )?not found/.test(text)) return { kind: 'no-modprobe' };
  const where = /kmod_search_moddep|could not open moddep file|Could not load \/lib\/modules|\/modules\.dep/;
  if (where.test(text)) return { kind: 'no-module-directory' };
  const name = /\b(?:Module|could not insert|Error inserting) '?([\w-]{1,64})(?=['\s.:]|$)/.exec(text)?.[1];
  if (name !== undefined) return { kind: 'module', name };
  return at >= 0 && /^(?:FATAL|ERROR|WARNING)\b/.test(text) ? { kind: 'module' } : undefined;
}

/** procps' wordings from 3.2 to 4.0. */
function sysctlError(message: string): StartupError | undefined {
  const text = /(?:^|[^\w/])(?:sysctl|error): (.*)$/s.exec(message)?.[1];
  if (text === undefined) return undefined;
  const denied = /^permission denied on key ?/.exec(text);
  if (denied !== null) return sysctl('denied', quotedKey(text.slice(denied[0].length)));
  const absent = /^cannot stat \/proc\/sys\/([^:\s]*)(:?)/.exec(text);
  if (absent !== null) return sysctl('absent', keyOf(absent[1] ?? '', absent[2] === ''));
  const setting = /^setting key ?/.exec(text);
  if (setting !== null) return sysctl(faultSaid(text), quotedKey(text.slice(setting[0].length)));
  const unknown = /^"([^"]*)" is an unknown key/.exec(text);
  if (unknown !== null) return sysctl('absent', keyOf(unknown[1] ?? '', false));
  return message.includes('sysctl: ') ? { kind: 'sysctl', fault: 'denied' } : undefined;
}

function sysctl(fault: SysctlFault, key: SysctlKey | undefined): StartupError {
  return { kind: 'sysctl', fault, ...(key !== undefined && { key }) };
}

function faultSaid(text: string): SysctlFault {
  if (/No such file/.test(text)) return 'absent';
  return /Invalid argument|out of range/.test(text) ? 'value' : 'denied';
}

/** In quotes of either kind, or in none; where the line ends before the closing one, it was cut. */
function quotedKey(text: string): SysctlKey | undefined {
  const match = /^(["']?)([\w./@+-]{1,255})(["':,]|$)/.exec(text.trimEnd());
  if (match === null) return undefined;
  const [, open = '', name = '', next = ''] = match;
  const isWhole = open === '' ? /^[:,]$/.test(next) : next === open;
  return isWhole || next === '' ? keyOf(name, !isWhole) : undefined;
}

function keyOf(name: string, cut: boolean): SysctlKey | undefined {
  return /^[\w./@+-]{1,255}$/.test(name) ? { name: sysctlPath(name), cut } : undefined;
}

/**
 * As sysctl(8) reads a name: the first separator decides which of `.` and `/` parts it, and the other is meant as it
 * stands, as in `net.ipv4.conf.eth0/10.rp_filter`.
 */
export function sysctlPath(name: string): string {
  const first = /[./]/.exec(name)?.[0];
  if (first !== '.') return name;
  return name.replace(/[./]/g, (separator) => (separator === '.' ? '/' : '.'));
}

function tablesError(message: string): StartupError | undefined {
  const match =
    /(?:^|\s)(ip6?)tables(?:-legacy|-nft)?(?:-restore)?(?: v[\w.]{1,16}(?: \([\w ]{1,16}\))?)?: (.{1,200})/s.exec(
      message,
    );
  if (match !== null) return { kind: 'tables', family: match[1] === 'ip6' ? 6 : 4, said: (match[2] ?? '').trim() };
  const failed = /^(?:Error occurred at line: \d{1,9}|.{0,40}line \d{1,9} failed)/s.exec(message);
  return failed === null ? undefined : { kind: 'tables', family: 4, said: failed[0] };
}

function ufwError(message: string): StartupError | undefined {
  if (message.includes('problem running ufw-init')) return { kind: 'not-started' };
  if (message.includes('Could not load logging rules')) return { kind: 'logging-rules' };
  if (message.includes('Problem loading ipv6')) return { kind: 'ipv6-skipped' };
  const rules = /(?:Problem running|Couldn't find) '([^']{1,255})/.exec(message)?.[1];
  if (rules !== undefined) return { kind: 'rules-file', path: rules };
  const hook = /'([^']{1,255}\.init) start' exited with error/.exec(message)?.[1];
  if (hook !== undefined) return { kind: 'hook', path: hook };
  const missing = /Could not find (\S{1,255}) \(aborting/.exec(message)?.[1];
  return missing === undefined ? undefined : { kind: 'missing-file', path: missing };
}
