// Node has no netlink sockets, and every Debian has perl (package perl-base, which is essential): a script that only carries octets
// between pipes and two sockets. What they mean it does not know.

/** What a piece of its output is: one octet for the kind, four for the length in the machine's order, then so many octets. */
export const pieceKind = { ready: 0, answer: 1, notice: 2, lost: 3, refused: 4 } as const;

/** A datagram that fills it may have been cut off. */
const mostOctets = 1 << 17;

/**
 * Its standard input are datagrams for the kernel, each behind its length in four octets; it ends when that ends. A bind(2) with
 * a mask of groups makes the second socket hear what nf_tables tells everybody (NFNLGRP_NFTABLES).
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
  my ($groups) = @_;
  my ($family, $raw, $close_on_exec, $netfilter) = (16, 3, 02000000, 12);
  socket(my $socket, $family, $raw | $close_on_exec, $netfilter) or die "socket: $!\\n";
  # SOL_SOCKET, SO_RCVBUFFORCE: whoever loads thousands of rules must not overrun us
  setsockopt($socket, 1, 33, pack('l', 1 << 24));
  bind($socket, pack('SSLL', $family, 0, 0, $groups)) or die "bind: $!\\n";
  return $socket;
}
$SIG{PIPE} = 'IGNORE';
my ($asked, $heard) = (netlink(0), netlink(1 << 6));
tell_all(${pieceKind.ready}, '');
my $input = '';
while (1) {
  my $waiting = '';
  vec($waiting, fileno($_), 1) = 1 for \\*STDIN, $asked, $heard;
  next if select($waiting, undef, undef, undef) < 1;
  if (vec($waiting, fileno(STDIN), 1)) {
    sysread(STDIN, $input, 1 << 16, length $input) or exit 0;
    while (length $input >= 4) {
      my $length = unpack('L', $input);
      last if length $input < 4 + $length;
      defined send($asked, substr($input, 4, $length), 0) or tell_all(${pieceKind.refused}, "$!");
      substr($input, 0, 4 + $length) = '';
    }
  }
  for my $pair ([$asked, ${pieceKind.answer}], [$heard, ${pieceKind.notice}]) {
    my ($socket, $kind) = @$pair;
    next if !vec($waiting, fileno($socket), 1);
    my $length = sysread($socket, my $octets, ${mostOctets});
    if (!defined $length || $length >= ${mostOctets}) { tell_all(${pieceKind.lost}, '') } else { tell_all($kind, $octets) }
  }
}
`;
