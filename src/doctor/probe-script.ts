// The probe as fixed texts for a POSIX sh, here or behind ssh (no apostrophes, no newlines): one rule of its own, one packet
// over loopback, and a look at each place until the line is there or the time is over. The rule goes away three times over: at
// the end, by a process of its own session after ten seconds, and at the next start.

/** How long the rule stays when nobody takes it away. */
const watchdogSeconds = 10;

/** Of the clock's seconds the lowest 16 bits are in a nonce: 18 hours. */
const stampValues = 0x10000;

/**
 * $1 seconds to wait, $2 the program of the rules, $3 the twelve digits of a nonce, or nothing for what is left of all probes:
 * what is older than its watchdog lets it be, so that another doctor at work keeps its own.
 * A table of nft is the probe's own; of iptables only rules with its prefix are taken out.
 */
export const removeScript = [
  'LC_ALL=C; export LC_ALL; PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; export PATH; sleep "$1"; want=$3',
  'is_due() { if [ -n "$want" ]; then [ "$1" = "$want" ]; return; fi; echo "$1" | grep -q -x -e "[0-9a-f]\\{12\\}" || return 0',
  `[ $((($(date +%s)-0x\${1#????????}%${stampValues}+${stampValues})%${stampValues})) -gt ${watchdogSeconds} ]; }`,
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own
  'nft list tables 2>/dev/null | while read -r _ f t; do case $t in bridgekeeper_probe_*) is_due "${t#bridgekeeper_probe_}" && nft delete table "$f" "$t" && echo "removed $t";; esac; done',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own
  'case $2 in nft) ;; *) "$2" -S OUTPUT 2>/dev/null | grep -e BKPROBE- | while read -r rule; do d=${rule#*BKPROBE-}; is_due "${d%%[] ]*}" || continue; echo "$rule" | sed "s/-A/-D/" | xargs "$2" -w && echo "removed $rule"; done;; esac',
].join('; ');

/** Before all usual chains, and after those that somebody put before the usual ones. */
export const nftPriority = -310;

/**
 * $1 removeScript, $2 program, $3 family, $4 eight digits, $5 `ufw` or `-`, $6 level, $7 port, $8 group or `-`, $9 seconds to
 * look; then the places. It prints one word and its value a line, and `done` at its end. Its nonce are the eight digits, and
 * four of this machine's own clock; a prefix may have 29 bytes in iptables, and this one has 27 at most.
 */
export const probeScript = [
  'LC_ALL=C; export LC_ALL; PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; export PATH',
  'remove=$1; tool=$2; family=$3; digits=$4; form=$5; level=$6; port=$7; group=$8; most=$9; shift 9',
  'address=127.0.0.1; [ "$family" = ip ] || address=::1',
  'sh -c "$remove" remove 0 "$tool" "" | sed "s/.*/stale &/"',
  `digits=$digits$(printf %04x $(($(date +%s)%${stampValues}))); case $form in ufw) prefix="[UFW BKPROBE-$digits] ";; *) prefix="BKPROBE-$digits ";; esac; echo "nonce BKPROBE-$digits"`,
  // the watchdog comes first: from here on a kill leaves no rule for longer than its time
  's=; if command -v setsid >/dev/null; then s=setsid; fi',
  `watchdog=$($s sh -c "echo \\$\\$; exec >/dev/null; exec sh -c \\"\\$1\\" bridgekeeper-probe ${watchdogSeconds} \\"\\$2\\" \\$3" sh "$remove" "$tool" "$digits" </dev/null 2>/dev/null 3<&- &)`,
  'clean() { trap "" HUP INT TERM PIPE; sh -c "$remove" remove 0 "$tool" "$digits" >/dev/null 2>&1; kill -TERM -$watchdog 2>/dev/null || kill $watchdog 2>/dev/null; }',
  'trap "clean; exit 1" HUP INT TERM PIPE',
  nftRule(),
  iptablesRule(),
  'case $tool in nft) add=nft_rule;; *) add=iptables_rule;; esac',
  'said=$($add 2>&1) || { echo "refused $(echo "$said" | head -n 1)"; clean; echo done; exit 0; }',
  'ring() { dmesg -r -S 2>/dev/null || dmesg -r 2>/dev/null || dmesg 2>/dev/null; }; mark=$(ring | tail -n 1)',
  sender(),
  counter(),
  looks(),
  'clean; echo done',
].join('; ');

/** Both rules of NFLOG and LOG see the one packet; the first counts. Its chain is asked before all usual ones. */
function nftRule(): string {
  const match = '$family daddr $address udp dport $port';
  return [
    't=bridgekeeper_probe_$digits',
    `nft_rule() { more=; [ $group = - ] || more="add rule $family $t probe ${match} log prefix \\"$prefix\\" group $group;"`,
    `nft "add table $family $t; add chain $family $t probe { type filter hook output priority ${nftPriority}; }; add rule $family $t probe ${match} counter log prefix \\"$prefix\\" level $level; $more"; }`,
  ].join('; ');
}

function iptablesRule(): string {
  const match = '-w -I OUTPUT 1 -o lo -d $address -p udp --dport $port';
  return [
    `iptables_rule() { [ $group = - ] || $tool ${match} -j NFLOG --nflog-group $group --nflog-prefix "$prefix" || return`,
    `$tool ${match} -j LOG --log-level $level --log-prefix "$prefix"; }`,
  ].join('; ');
}

/** One datagram by whatever is there; a second program would send a second one. */
function sender(): string {
  return [
    'send() { if command -v bash >/dev/null; then bash -c "echo >/dev/udp/$address/$port"',
    'elif command -v python3 >/dev/null; then python3 -c "import socket; socket.socket(socket.AF_INET6 if \\":\\" in \\"$address\\" else socket.AF_INET, socket.SOCK_DGRAM).sendto(b\\"x\\", (\\"$address\\", $port))"',
    'elif command -v perl >/dev/null; then perl -MIO::Socket::INET -e "IO::Socket::INET->new(Proto=>q(udp),PeerAddr=>q($address),PeerPort=>$port)->send(q(x)) or die"',
    'elif command -v nc >/dev/null; then echo | nc -u -w 1 $address $port',
    'else logger -n $address -P $port -d x; fi; }',
    'said=$(send 2>&1) || echo "unsent $said"',
  ].join('; ');
}

function counter(): string {
  const ofNft = 'nft list table $family $t | sed -n "s/.*counter packets \\([0-9]*\\).*/counter \\1/p" | head -n 1';
  const ofIptables =
    '"$tool-save" -c -t filter | grep -e "BKPROBE-$digits" | grep -e "-j LOG" | sed "s/.\\([0-9]*\\):.*/counter \\1/"';
  return `case $tool in nft) ${ofNft};; *) ${ofIptables};; esac`;
}

/** When all have it, once more: who reads in two ways writes the second line a little later. */
function looks(): string {
  const counted = 'grep -c -e "BKPROBE-$digits.*OUT="';
  const ways = [
    `dmesg) ring | ${counted};;`,
    `kmsg) dd if=/dev/kmsg bs=8192 iflag=nonblock 2>/dev/null | ${counted};;`,
    `journal) journalctl -o cat --no-pager -n 2000 _TRANSPORT=kernel 2>/dev/null | ${counted};;`,
    '*) tail -c 1000000 "$1" 2>/dev/null | grep -c -e "BKPROBE-$digits";;',
  ];
  return [
    `count() { case $1 in ${ways.join(' ')} esac; }`,
    // in whole seconds, which may have begun just before
    'begun=$(date +%s); left=1; last=; looked=',
    'while :',
    'do left=; for p; do n=$(count "$p"); echo "seen $n $p"; [ "$n" -gt 0 ] || left=1; done',
    // what stood there before the packet is still there after the first look: the line was not pushed out meanwhile
    'if [ -n "$mark" ] && [ -z "$looked" ]; then ring | grep -q -F -e "$mark" || echo "overrun yes"; fi; looked=1',
    'if [ -n "$last" ] || [ $(($(date +%s)-begun)) -gt "$most" ]; then break; fi',
    'if [ -z "$left" ]; then last=1; sleep 0.4 2>/dev/null || sleep 1; else sleep 0.2 2>/dev/null || sleep 1; fi',
    'done',
  ].join('; ');
}
