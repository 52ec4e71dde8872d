#!/bin/sh
# The rules one by one, for reading; iptables-restore loads the same ones at once and without a gap.
set -eu

# Table filter
iptables -w -t filter -N bk-rule-2
iptables -w -t filter -N bk-forward

# Chain bk-rule-2
# Rule 2: guest-source o'web
iptables -w -t filter -A bk-rule-2 -m limit --limit 20/sec --limit-burst 100 -m comment --comment 'guest-source o'\''web' -j LOG --log-prefix 'RULE 2 -- DENY ' --log-level 6
iptables -w -t filter -A bk-rule-2 -m comment --comment 'guest-source o'\''web' -j DROP

# Chain bk-forward
# Rule 2: guest-source o'web
iptables -w -t filter -A bk-forward -s 192.168.50.13 -m physdev --physdev-in vk63 -m comment --comment 'guest-source o'\''web' -j RETURN
iptables -w -t filter -A bk-forward -m physdev --physdev-in vk63 -m comment --comment 'guest-source o'\''web' -j bk-rule-2
# allow lan web http
iptables -w -t filter -A bk-forward -p tcp -m physdev --physdev-is-bridged --physdev-out vk63 -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m multiport --dports 80,443 -m conntrack --ctstate NEW -m comment --comment 'allow lan web http' -j ACCEPT

# Chain FORWARD
iptables -w -t filter -A FORWARD -i virbr6 -j bk-forward
