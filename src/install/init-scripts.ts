// For machines where another init than systemd starts things by scripts in /etc/init.d: rules before the network, the daemon
// after it. What takes the daemon's rights away there is setpriv, if it is at hand; it is not started anew when it dies.
import { closedFile, runDirectory, stateDirectory } from './places.ts';

export const bootScriptPath = '/etc/init.d/bridgekeeper-boot';
export const daemonScriptPath = '/etc/init.d/bridgekeeper';

export function bootScript(home: string): string {
  return `#!/bin/sh
# Written by bridgekeeper install; bridgekeeper uninstall takes it away.
### BEGIN INIT INFO
# Provides:          bridgekeeper-boot
# Required-Start:    mountkernfs $local_fs
# Required-Stop:     $local_fs
# X-Start-Before:    networking
# Default-Start:     S
# Default-Stop:
# Short-Description: loads the confirmed firewall rules of bridges
### END INIT INFO
case \${1-} in
  start | restart | force-reload) exec ${home}/bin/bridgekeeper-boot ${stateDirectory} ${closedFile} ;;
  stop | status) ;;
  *)
    echo "usage: $0 start|stop|restart|status" >&2
    exit 2
    ;;
esac
`;
}

export function daemonScript(home: string, legacy: boolean): string {
  const capabilities = legacy ? '-all,+net_admin,+net_raw' : '-all,+net_admin';
  return `#!/bin/sh
# Written by bridgekeeper install; bridgekeeper uninstall takes it away.
### BEGIN INIT INFO
# Provides:          bridgekeeper
# Required-Start:    $local_fs $network bridgekeeper-boot
# Required-Stop:     $local_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: keeps the firewall rules of bridges while guests come and go
### END INIT INFO
pid_file=${runDirectory}/daemon.pid

# The number alone says nothing: others get it again.
is_running() {
  read -r pid 2>/dev/null <"$pid_file" || return 1
  case $pid in '' | *[!0-9]*) return 1 ;; esac
  tr '\\000' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q 'bridgekeeper.* serve'
}

case \${1-} in
  start)
    is_running && exit 0
    mkdir -p ${runDirectory}
    confine=
    if command -v setpriv >/dev/null; then
      confine='setpriv --no-new-privs --bounding-set ${capabilities} --inh-caps -all'
    fi
    # the shell's number stays that of the daemon: all of them exec
    setsid sh -c 'echo $$ >"$0"; exec "$@"' "$pid_file" $confine ${home}/bin/bridgekeeper serve \\
      </dev/null >/dev/null 2>&1 &
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
}
