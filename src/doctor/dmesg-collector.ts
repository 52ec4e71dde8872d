// The collector of the kernel's ring for machines where nothing else keeps it: a POSIX sh and dmesg. It looks each second,
// finds where the last look ends in this one, and appends what is new to kern.log in the form that rsyslog has. What it
// has written and what it has seen change together, also when it is killed in between.

export const collectorPath = '/usr/local/sbin/bridgekeeper-dmesg';
export const collectorUnitPath = '/etc/systemd/system/bridgekeeper-dmesg.service';
export const collectorInitPath = '/etc/init.d/bridgekeeper-dmesg';

export const collectorScript = `#!/bin/sh
# Appends new lines of the kernel's ring to a file: for machines whose journal and syslog do not get them.
# Usage: bridgekeeper-dmesg [FILE [STATE-DIRECTORY [SECONDS]]]
set -u
LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL PATH
umask 027
out=\${1:-/var/log/kern.log}
state=\${2:-/var/lib/bridgekeeper-dmesg}
seconds=\${3:-1}
mkdir -p "$state" || exit 1

# One at a time: a second one would write every line twice.
if [ -f "$state/pid" ] && kill -0 "$(cat "$state/pid")" 2>/dev/null; then
  echo "bridgekeeper-dmesg: runs already" >&2
  exit 1
fi
echo $$ >"$state/pid"
trap 'rm -f "$state/pid"; exit 0' HUP INT TERM

# -S: by syslog(2), with the kernel's own facilities; older versions know no other way.
if dmesg -r -S >/dev/null 2>&1; then option=-S; else option=; fi

size() { if [ -f "$1" ]; then wc -c <"$1" | tr -d ' '; else echo 0; fi; }

# An append that was broken off before its look became the last one is taken back: its lines come again.
if [ -f "$state/before" ]; then
  read -r before look <"$state/before"
  if [ "$look" = "$(cksum <"$state/last")" ] && [ "$(size "$out")" -gt "$before" ]; then
    dd if=/dev/null of="$out" bs=1 seek="$before" 2>/dev/null
  fi
  rm -f "$state/before"
fi
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo unknown)
if [ "$(cat "$state/boot" 2>/dev/null)" != "$boot" ]; then
  rm -f "$state/last"
  echo "$boot" >"$state/boot"
fi

# The end of the last look is the beginning of this one; the longest such piece counts. Without one the ring went round.
new_lines() {
  awk -v host="$(uname -n)" -v stamp="$(date '+%b %e %H:%M:%S')" -v last="$state/last" '
    function show(line) {
      if (line !~ /^<[0-7]>/) return # of programs, not of the kernel
      sub(/^<[0-7]>/, "", line)
      print stamp " " host " kernel: " line
    }
    FILENAME == last { old[++olds] = $0; next }
    { now[++nows] = $0 }
    END {
      from = olds == 0 ? 0 : -1
      for (at = 1; at <= olds && from < 0 && nows > 0; at++) {
        if (old[at] != now[1]) continue
        length_here = olds - at + 1
        if (length_here > nows) continue
        for (i = 2; i <= length_here && old[at + i - 1] == now[i]; i++);
        if (i > length_here) from = length_here
      }
      if (from < 0) {
        if (nows == 0) exit
        print stamp " " host " bridgekeeper-dmesg: /dev/kmsg buffer overrun, some messages lost."
        from = 0
      }
      for (i = from + 1; i <= nows; i++) show(now[i])
    }' "$state/last" "$state/now" >"$state/new"
}

while :; do
  dmesg -r $option >"$state/now" 2>/dev/null
  [ -f "$state/last" ] || : >"$state/last"
  if ! cmp -s "$state/last" "$state/now"; then
    new_lines
    if [ -s "$state/new" ]; then
      echo "$(size "$out") $(cksum <"$state/last")" >"$state/before.new"
      mv -f "$state/before.new" "$state/before"
      cat "$state/new" >>"$out"
    fi
    mv -f "$state/now" "$state/last"
    rm -f "$state/before"
  fi
  sleep "$seconds" &
  wait $!
done
`;

export const collectorUnit = `[Unit]
Description=Appends the kernel's messages to /var/log/kern.log
Documentation=man:bridgekeeper(8)

[Service]
ExecStart=${collectorPath}
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
`;

export const collectorInit = `#!/bin/sh
### BEGIN INIT INFO
# Provides:          bridgekeeper-dmesg
# Required-Start:    $local_fs
# Required-Stop:     $local_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: appends the kernel's messages to /var/log/kern.log
### END INIT INFO
pid_file=/var/lib/bridgekeeper-dmesg/pid

is_running() { [ -f "$pid_file" ] && kill -0 "$(cat "$pid_file")" 2>/dev/null; }

case \${1:-} in
  start)
    is_running && exit 0
    if command -v setsid >/dev/null; then in_session=setsid; else in_session=; fi
    $in_session ${collectorPath} </dev/null >/dev/null 2>&1 &
    ;;
  stop)
    if is_running; then kill "$(cat "$pid_file")"; fi
    ;;
  restart | force-reload)
    "$0" stop
    sleep 1
    "$0" start
    ;;
  status) is_running ;;
  *)
    echo "usage: $0 start|stop|restart|status" >&2
    exit 2
    ;;
esac
`;
