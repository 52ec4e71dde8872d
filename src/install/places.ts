// Where things go. Without a prefix the program stays in its checkout, and what the system reads is the administrator's:
// /etc. With the prefix of a distribution or of /usr/local it goes where that looks for the files of programs.

export type Places = {
  /** Where the program lies in the end: bin/ is in it. */
  readonly home: string;
  readonly command: string;
  readonly man: string;
  /** Of each shell. */
  readonly completions: { readonly bash: string; readonly zsh: string; readonly fish: string };
  readonly units: string;
  readonly sysctl: string;
  readonly modules: string;
  readonly tmpfiles: string;
  readonly udev: string;
};

/** Fixed: the rules of one host lie at one place, however the program got there. */
export const policyDirectory = '/etc/bridgekeeper';
export const closedFile = `${policyDirectory}/closed.nft`;
export const stateDirectory = '/var/lib/bridgekeeper';
/** In the state directory: whoever writes it wakes the daemon. */
export const wakeName = 'wake';
export const runDirectory = '/run/bridgekeeper';

export const bootUnitName = 'bridgekeeper-boot.service';
export const daemonUnitName = 'bridgekeeper.service';

export type Rooms = {
  /** Of the checkout, or of the copy, that runs now. */
  readonly checkout: string;
  readonly prefix?: string;
};

/** Prefixes in which systemd, sysctl, kmod and udev look by themselves (file-hierarchy(7)). */
const systemPrefixes = ['/usr', '/usr/local'];

export function placesFor({ checkout, prefix }: Rooms): Places {
  const own = prefix ?? '/usr/local';
  const isSeen = prefix !== undefined && systemPrefixes.includes(prefix);
  const configuration = isSeen ? `${prefix}/lib` : '/etc';
  return {
    home: prefix === undefined ? checkout : `${prefix}/lib/bridgekeeper`,
    command: `${own}/bin/bridgekeeper`,
    man: `${own}/share/man`,
    completions: {
      bash: `${own}/share/bash-completion/completions/bridgekeeper`,
      zsh: `${own}/share/zsh/site-functions/_bridgekeeper`,
      fish: `${own}/share/fish/vendor_completions.d/bridgekeeper.fish`,
    },
    units: `${configuration}/systemd/system`,
    sysctl: `${configuration}/sysctl.d/60-bridgekeeper.conf`,
    modules: `${configuration}/modules-load.d/bridgekeeper.conf`,
    tmpfiles: `${configuration}/tmpfiles.d/bridgekeeper.conf`,
    udev: `${configuration}/udev/rules.d/60-bridgekeeper.rules`,
  };
}
