// The doctor's questions, as fixed texts for a POSIX sh here or behind ssh: no apostrophes and no newlines, and nothing of
// a user, a file or a log in them. They read and change nothing; none reads /proc/kmsg, since that takes lines away.

export type Question = { readonly name: string; readonly mostBytes: number; readonly ask: string };

const kibi = 1024;

/** Of kernel records that may be asked of any dmesg: with `-S` facilities are the kernel's own (see watch/sources). */
const dump = '{ dmesg -r -S 2>/dev/null || dmesg -r 2>/dev/null || dmesg 2>/dev/null; }';

const usualFiles = [
  '/var/log/kern.log',
  '/var/log/ufw.log',
  '/var/log/syslog',
  '/var/log/messages',
  '/var/log/firewall',
] as const;

const marks = '/proc/vz /proc/bc /.dockerenv /run/.containerenv /dev/lxd/sock /run/systemd/system';

const settings = 'kernel/dmesg_restrict net/netfilter/nf_log_all_netns';

/** journald's own words when it lost records (SD_MESSAGE_JOURNAL_MISSED). */
const missedId = 'e9bf28e6e834481bb6f48f548ad13606';

const syslogPrograms = 'rsyslogd syslog-ng syslogd metalog klogd';

const watched = 'systemd-journal*|rsyslogd|syslog-ng|syslogd|metalog|klogd|ulogd|bridgekeeper-dm*';

/** Daemons that give up root: as whom they run then, in Debian and elsewhere. */
export const daemonAccounts: Readonly<Record<string, readonly string[]>> = {
  rsyslogd: ['syslog', 'rsyslog'],
  'syslog-ng': ['syslog-ng'],
  syslogd: ['syslog'],
  klogd: ['klog', 'syslog'],
  ulogd: ['ulog', 'ulogd'],
};

const accountNames = [...new Set(Object.values(daemonAccounts).flat())];

export const questions: readonly Question[] = [
  { name: 'who', mostBytes: kibi, ask: 'id -u; date +%s; cat /proc/uptime /proc/sys/kernel/random/boot_id' },
  { name: 'status', mostBytes: 8 * kibi, ask: 'cat /proc/self/status' },
  {
    name: 'namespaces',
    mostBytes: 64 * kibi,
    ask: 'ls -l /proc/self/ns/pid /proc/self/ns/net /proc/self/ns/user /proc/[0-9]*/ns/net 2>/dev/null | sed -n "/proc.self.ns/s/.*-> /self /p; /proc.1.ns/{h; s/.*-> /init /p; g; }; /[0-9].ns.net/s/.*-> //p" | sort -u',
  },
  { name: 'threads', mostBytes: kibi, ask: 'read -r _ c _ </proc/2/stat && echo "$c"' },
  {
    name: 'container',
    mostBytes: 4 * kibi,
    ask: 'cat /run/systemd/container /run/host/container-manager; tr "\\000" "\\n" </proc/1/environ | sed -n "s/.*container=//p"',
  },
  { name: 'groups', mostBytes: 8 * kibi, ask: 'cat /proc/1/cgroup /proc/self/cgroup' },
  { name: 'marks', mostBytes: 4 * kibi, ask: `for f in ${marks}; do [ -e $f ] && echo $f; done` },
  {
    name: 'hardware',
    mostBytes: 4 * kibi,
    ask: 'd=/sys/class/dmi/id; cat $d/sys_vendor $d/product_name $d/bios_vendor /sys/hypervisor/type /sys/devices/system/clocksource/clocksource0/available_clocksource; tr "\\000" "\\n" </proc/device-tree/hypervisor/compatible; systemd-detect-virt -v',
  },
  { name: 'hypervisor', mostBytes: kibi, ask: 'grep -m 1 -o -w hypervisor /proc/cpuinfo' },
  {
    name: 'kmsg',
    mostBytes: kibi,
    ask: 'if [ -e /dev/kmsg ]; then d="dd if=/dev/kmsg of=/dev/null bs=8192 count=1"; s=$($d iflag=nonblock 2>&1) && echo readable || { case $s in *iflag*|*sage*) s=$($d 2>&1) && echo readable || echo "$s";; *) echo "$s";; esac; }; else echo absent; fi',
  },
  {
    name: 'consumption',
    mostBytes: kibi,
    ask: 'if [ -e /proc/kmsg ]; then (: </proc/kmsg) 2>&1 && echo readable; else echo absent; fi',
  },
  {
    name: 'dmesg',
    mostBytes: kibi,
    ask: 'if command -v dmesg >/dev/null; then { dmesg -r -S || dmesg -r; } 2>&1 >/dev/null | tail -n 1; dmesg >/dev/null 2>&1 && echo readable; else echo absent; fi',
  },
  { name: 'ring', mostBytes: 256 * kibi, ask: `${dump} | tail -n 300` },
  {
    name: 'settings',
    mostBytes: kibi,
    ask: `for k in ${settings}; do v=; { read -r v </proc/sys/$k; } 2>/dev/null; echo "$k $v"; done`,
  },
  { name: 'loggers', mostBytes: 4 * kibi, ask: 'cat /proc/net/netfilter/nf_log' },
  { name: 'groups-heard', mostBytes: 16 * kibi, ask: 'cat /proc/net/netfilter/nfnetlink_log' },
  { name: 'interfaces', mostBytes: 64 * kibi, ask: 'cat /proc/net/dev' },
  // the first word in brackets are the flags; /proc has them nowhere, and a container's /sys may be another namespace's
  { name: 'loopback', mostBytes: kibi, ask: 'ip link show dev lo 2>/dev/null || ifconfig lo' },
  {
    name: 'processes',
    mostBytes: 64 * kibi,
    // behind the name in brackets: the 20th word is when it began, in ticks since boot (proc(5)); the real uid, since
    // anybody may run a program of root's under another name
    ask: `for d in /proc/[0-9]*; do l=; read -r l <$d/stat || continue; c=\${l#*(}; c=\${c%)*}; case $c in ${watched}) set -- \${l##*) }; u=-; while read -r k v _; do [ $k = Uid: ] && u=$v && break; done <$d/status; [ $1 = Z ] || echo "\${d#/proc/} $c $(readlink $d/ns/pid || echo -) $u \${20} $(tr "\\000" " " <$d/cmdline)";; esac; done 2>/dev/null`,
  },
  {
    // as in passwd(5), also where there is no getent(1)
    name: 'accounts',
    mostBytes: kibi,
    ask: `if command -v getent >/dev/null; then getent passwd ${accountNames.join(' ')}; else while IFS=: read -r n _ u _; do case $n in ${accountNames.join('|')}) echo "$n:-:$u";; esac; done </etc/passwd; fi`,
  },
  {
    name: 'consumers',
    mostBytes: 16 * kibi,
    // open for reading: r in the rights of the link
    ask: `ls -l /proc/[0-9]*/fd 2>/dev/null | awk "/fd:\\$/ { split(\\$1, a, \\"/\\") } / -> \\/(proc|dev)\\/kmsg\\$/ && substr(\\$1, 2, 1) == \\"r\\" { print a[3], \\$NF }" | sort -u | while read -r p f; do read -r _ c _ </proc/$p/stat; c=\${c#?}; echo "$p \${c%?} $(readlink /proc/$p/ns/pid || echo -) $f"; done 2>/dev/null`,
  },
  {
    name: 'journald',
    mostBytes: 256 * kibi,
    ask: 'for d in /etc/systemd /run/systemd /usr/local/lib/systemd /usr/lib/systemd /lib/systemd; do for f in $d/journald.conf $d/journald.conf.d/*.conf; do file "$f"; done; done',
  },
  {
    name: 'journal',
    mostBytes: 64 * kibi,
    ask: 'journalctl -o export --no-pager -n 1 _TRANSPORT=kernel',
  },
  { name: 'missed', mostBytes: 64 * kibi, ask: `journalctl -o export --no-pager -n 1 MESSAGE_ID=${missedId}` },
  {
    name: 'installed',
    mostBytes: kibi,
    ask: `for p in ${syslogPrograms}; do command -v $p; done`,
  },
  {
    name: 'files',
    mostBytes: 4 * kibi,
    ask: statOf('%n %s %Y %u', usualFiles.join(' ')),
  },
  {
    name: 'complaints',
    mostBytes: 16 * kibi,
    ask: 'for f in /var/log/syslog /var/log/messages; do [ -f $f ] && tail -c 200000 $f | tr -d "\\000" | grep rsyslogd | grep -e imklog -e imkmsg -e imjournal | tail -n 5; done',
  },
  {
    name: 'changed',
    mostBytes: 4 * kibi,
    ask: statOf(
      '%Y %n',
      '/etc/rsyslog.conf /etc/rsyslog.d/*.conf /etc/systemd/journald.conf /etc/systemd/journald.conf.d/*.conf',
    ),
  },
  {
    name: 'rsyslog',
    mostBytes: 512 * kibi,
    ask: 'for f in /etc/rsyslog.conf /etc/rsyslog.d/*.conf; do file "$f"; done',
  },
  { name: 'ulogd', mostBytes: 64 * kibi, ask: 'for f in /etc/ulogd.conf /etc/ulogd/ulogd.conf; do file "$f"; done' },
  { name: 'ufw', mostBytes: 16 * kibi, ask: 'cat /etc/ufw/ufw.conf' },
  {
    name: 'services',
    mostBytes: kibi,
    ask: 'for p in systemctl service update-rc.d chkconfig; do command -v $p; done',
  },
  { name: 'tools', mostBytes: kibi, ask: 'for p in nft iptables; do command -v $p; done; iptables -V' },
  {
    name: 'nft',
    mostBytes: 2048 * kibi,
    ask: 'nft list ruleset 2>/dev/null | grep -e table -e chain -e hook -e log -e drop -e reject',
  },
  { name: 'iptables', mostBytes: 1024 * kibi, ask: 'iptables-save -c 2>/dev/null' },
  { name: 'ip6tables', mostBytes: 1024 * kibi, ask: 'ip6tables-save -c 2>/dev/null' },
  // without tables of its own it would only load its modules
  {
    name: 'iptables-legacy',
    mostBytes: 1024 * kibi,
    ask: 'grep -q . /proc/net/ip_tables_names 2>/dev/null && iptables-legacy-save -c 2>/dev/null',
  },
  {
    name: 'ip6tables-legacy',
    mostBytes: 1024 * kibi,
    ask: 'grep -q . /proc/net/ip6_tables_names 2>/dev/null && ip6tables-legacy-save -c 2>/dev/null',
  },
];

/** Of those that are regular files, by one process. */
function statOf(format: string, patterns: string): string {
  return `set --; for f in ${patterns}; do [ -f "$f" ] && set -- "$@" "$f"; done; [ $# -eq 0 ] || stat -c "${format}" "$@"`;
}

/** `file` marks a file's lines within an answer. */
const prelude = [
  'LC_ALL=C; export LC_ALL; PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; export PATH; m=$1; shift',
  'file() { if [ -f "$1" ]; then echo "file $1"; sed "s/.*/ &/" "$1"; echo; fi; }',
].join('; ');

/**
 * A heading is a line that begins with the mark: nobody who writes something down there knows it. One process for all answers
 * cuts what is too long, and makes headings begin with @ and lines with a dot.
 */
const marked = [
  'tr -d "\\000" | awk -v m="$m" "',
  'function say(t) { if (left > 0) print \\".\\" substr(t, 1, left); left -= length(t) + 1 } ',
  // the line feed before a heading is ours
  '\\$1 == m { if (held && length(last)) say(last); held = 0; print \\"@\\" \\$2; left = \\$3; next } ',
  '{ if (held) say(last); last = \\$0; held = 1 }"',
].join('');

function heading(name: string, mostBytes: number): string {
  return `echo; echo "$m ${name} ${mostBytes}"`;
}

function whole(parts: readonly string[]): string {
  return `${prelude}; { ${[...parts, heading('end', 0)].join('; ')}; } </dev/null | ${marked}`;
}

/** One text that asks all of them, with a mark as its argument; what a question says on stderr belongs to its answer. */
export function script(asked: readonly Question[]): string {
  return whole(asked.map(({ name, mostBytes, ask }) => `${heading(name, mostBytes)}; { ${ask}; } 2>&1`));
}

/** Further configuration files by pattern, each an argument behind the mark. */
export const includeScript = whole([
  `${heading('files', 512 * kibi)}; IFS=; for p; do for f in $p; do file "$f"; done; done`,
]);
