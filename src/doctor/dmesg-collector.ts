// The collector of the kernel's ring for machines where nothing else keeps it: a POSIX sh and dmesg. It looks each second,
// finds where the last look ends in this one, and appends what is new to kern.log in the form that rsyslog has. What it
// has written and what it has seen change together, also when it is killed in between.

export const collectorPath = '/usr/local/sbin/bridgekeeper-dmesg';
export const collectorUnitPath = '/etc/systemd/system/bridgekeeper-dmesg.service';
export const collectorInitPath = '/etc/init.d/bridgekeeper-dmesg';

export const collectorScript = `#!/bin/sh
# Appends new lines of the kernel's ring to a file: for machines whose journal and syslog do not get them.
# Usage: bridgekeeper-dmesg [FILE [STATE-DIRECTORY [SECONDS [PID-FILE]]]]
set -u
LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL PATH
umask 027
out=\${1:-/var/log/kern.log}
state=\${2:-/var/lib/bridgekeeper-dmesg}
seconds=\${3:-1}
if [ -d /run ]; then run=/run; else run=/var/run; fi
pid_file=\${4:-$run/bridgekeeper-dmesg.pid}
mkdir -p "$state" || exit 1

# One at a time: a second one would write every line twice. The number alone says nothing, others get it again.
is_running() {
  read -r pid 2>/dev/null <"$pid_file" || return 1
  case $pid in '' | *[!0-9]* | $$) return 1 ;; esac
  [ "$(stat -c %u "/proc/$pid" 2>/dev/null)" = "$(id -u)" ] || return 1
  case $(tr '\\000' ' ' 2>/dev/null <"/proc/$pid/cmdline") in
    "sh $0"* | "/bin/sh $0"*) return 0 ;;
  esac
  return 1
}
if is_running; then
  echo "bridgekeeper-dmesg: runs already" >&2
  exit 1
fi
echo $$ >"$pid_file" || exit 1
trap 'rm -f "$pid_file"; exit 0' HUP INT TERM

# -S: by syslog(2), with the kernel's own facilities; older versions know no other way.
if dmesg -r -S >/dev/null 2>&1; then option=-S; else option=; fi

size() { if [ -f "$1" ]; then wc -c <"$1" | tr -d ' '; else echo 0; fi; }

# An append that was broken off before its look became the last one is taken back: its lines come again.
take_back() {
  [ -f "$state/before" ] || return 0
  read -r before look <"$state/before"
  if [ "$look" = "$(cksum <"$state/last")" ] && [ "$(size "$out")" -gt "$before" ]; then
    dd if=/dev/null of="$out" bs=1 seek="$before" 2>/dev/null || return 1
  fi
  rm -f "$state/before"
}
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo unknown)
if [ "$(cat "$state/boot" 2>/dev/null)" != "$boot" ]; then
  # what was taken back now would not come again: the ring is another one
  rm -f "$state/last" "$state/before"
  [ -z "$(tail -c 1 "$out" 2>/dev/null)" ] || echo >>"$out"
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

# What failed, as on a full disk, leaves the last look as it was: the lines come with the next one that works.
one_look() {
  take_back || return
  dmesg -r $option >"$state/now" 2>/dev/null || return
  [ -f "$state/last" ] || : >"$state/last" || return
  if cmp -s "$state/last" "$state/now"; then return; fi
  new_lines || return
  if [ -s "$state/new" ]; then
    echo "$(size "$out") $(cksum <"$state/last")" >"$state/before.new" || return
    mv -f "$state/before.new" "$state/before" || return
    if ! cat "$state/new" >>"$out"; then
      take_back
      return
    fi
  fi
  mv -f "$state/now" "$state/last" && rm -f "$state/before"
}

while :; do
  one_look
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
if [ -d /run ]; then run=/run; else run=/var/run; fi
pid_file=$run/bridgekeeper-dmesg.pid

# The number alone says nothing: others get it again.
is_running() {
  read -r pid 2>/dev/null <"$pid_file" || return 1
  case $pid in '' | *[!0-9]*) return 1 ;; esac
  [ "$(stat -c %u "/proc/$pid" 2>/dev/null)" = 0 ] || return 1
  case $(tr '\\000' ' ' 2>/dev/null <"/proc/$pid/cmdline") in
    "sh ${collectorPath}"* | "/bin/sh ${collectorPath}"*) return 0 ;;
  esac
  return 1
}

case \${1:-} in
  start)
    is_running && exit 0
    if command -v setsid >/dev/null; then in_session=setsid; else in_session=; fi
    $in_session ${collectorPath} </dev/null >/dev/null 2>&1 &
    ;;
  stop)
    if is_running; then kill "$pid"; fi
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
