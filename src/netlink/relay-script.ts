// Node has no netlink sockets, and every Debian has perl (package perl-base, which is essential): a script that only carries octets
// between pipes and three sockets. What they mean it does not know.
import { concatenated, isLittleEndian } from './message.ts';

/** What a piece of its output is: one octet for the kind, four for the length in the machine's order, then so many octets. */
export const pieceKind = {
  /** The last of what it says at its start. */
  ready: 0,
  answer: 1,
  notice: 2,
  /** An answer may have been among what was cut off or not read in time. */
  lost: 3,
  refused: 4,
  /** It can ask rtnetlink too. */
  linksReady: 5,
  links: 6,
  linksLost: 7,
  noticesLost: 8,
} as const;

/** Whom a datagram is for. */
const receivers = { nfTables: 0, links: 1 } as const;

/** A piece of its input. */
export function inputPiece(receiver: keyof typeof receivers, datagram: Uint8Array): Uint8Array {
  const header = new Uint8Array(5);
  header[0] = receivers[receiver];
  new DataView(header.buffer).setUint32(1, datagram.length, isLittleEndian);
  return concatenated([header, datagram]);
}

/** A datagram that fills it may have been cut off. */
const mostOctets = 1 << 17;

/**
 * Its standard input are datagrams for the kernel (`inputPiece`); it ends when that ends. A bind(2) with a mask of groups makes
 * the second socket hear what nf_tables tells everybody (NFNLGRP_NFTABLES). The third one may be refused: NETLINK_GET_STRICT_CHK
 * lets the addresses of one device be asked for, without which those of all would come.
 */
export const relayScript = `
use strict;
sub tell_all {
  my ($kind, $octets) = @_;
  my $piece = pack('CL', $kind, length $octets) . $octets;
  for (my $at = 0; $at < length $piece;) {
    my $wrote = syswrite(STDOUT, $piece, length($piece) - $at, $at);
    if (defined $wrote) { $at += $wrote } elsif (!$!{EINTR}) { exit 1 }
  }
}
sub netlink {
  my ($protocol, $groups) = @_;
  my ($family, $raw, $close_on_exec) = (16, 3, 02000000);
  socket(my $socket, $family, $raw | $close_on_exec, $protocol) or die "socket: $!\\n";
  # SOL_SOCKET, SO_RCVBUFFORCE: whoever loads thousands of rules must not overrun us
  setsockopt($socket, 1, 33, pack('l', 1 << 24));
  bind($socket, pack('SSLL', $family, 0, 0, $groups)) or die "bind: $!\\n";
  return $socket;
}
# it ends when its input ends, after the last answer
$SIG{$_} = 'IGNORE' for 'PIPE', 'TERM';
my ($netfilter, $route) = (12, 0);
my ($asked, $heard) = (netlink($netfilter, 0), netlink($netfilter, 1 << 6));
my $links = eval { netlink($route, 0) };
# SOL_NETLINK, NETLINK_GET_STRICT_CHK
undef $links if defined $links && !setsockopt($links, 270, 12, pack('l', 1));
tell_all(${pieceKind.linksReady}, '') if defined $links;
tell_all(${pieceKind.ready}, '');
my @heard_from = (
  [$asked, ${pieceKind.answer}, ${pieceKind.lost}],
  [$heard, ${pieceKind.notice}, ${pieceKind.noticesLost}],
  defined $links ? [$links, ${pieceKind.links}, ${pieceKind.linksLost}] : (),
);
my $input = '';
while (1) {
  my $waiting = '';
  vec($waiting, fileno($_), 1) = 1 for \\*STDIN, map { $_->[0] } @heard_from;
  next if select($waiting, undef, undef, undef) < 1;
  if (vec($waiting, fileno(STDIN), 1)) {
    sysread(STDIN, $input, 1 << 16, length $input) or exit 0;
    while (length $input >= 5) {
      my ($receiver, $length) = unpack('CL', $input);
      last if length $input < 5 + $length;
      my $datagram = substr($input, 5, $length);
      substr($input, 0, 5 + $length) = '';
      my ($socket, $refused) =
        $receiver == ${receivers.links} ? ($links, ${pieceKind.linksLost}) : ($asked, ${pieceKind.refused});
      defined $socket && defined send($socket, $datagram, 0) or tell_all($refused, "$!");
    }
  }
  for (@heard_from) {
    my ($socket, $kind, $lost) = @$_;
    next if !vec($waiting, fileno($socket), 1);
    my $length = sysread($socket, my $octets, ${mostOctets});
    if (!defined $length || $length >= ${mostOctets}) { tell_all($lost, '') } else { tell_all($kind, $octets) }
  }
}
`;
