// What libvirt runs when a guest or a network starts or stops (https://libvirt.org/hooks.html): plain sh, which wakes the
// daemon, and sees to it that rules are loaded before a guest's port appears. It never calls libvirt, which waits for it;
// it ends within its time, and always well, since libvirt would not start the guest otherwise. Of what it is given,
// names and XML of guests, it looks at nothing but the word that says what happens.
import { closedFile, stateDirectory, wakeName } from './places.ts';

/** Seconds. */
export const hookLimit = 3;

export function libvirtHook(home: string): string {
  return `#!/bin/sh
# Written by bridgekeeper install; bridgekeeper uninstall takes it away.
# libvirt runs this when a guest or a network starts or stops, and waits: it must not call libvirt, ends within
# ${hookLimit} seconds, and always well. What it is told about the guest is not read.
operation=\${2-}
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

if [ "\${BRIDGEKEEPER_HOOK-}" != bounded ]; then
  BRIDGEKEEPER_HOOK=bounded timeout -s KILL ${hookLimit} sh "$0" - "$operation" >/dev/null 2>&1
  exit 0
fi

# the daemon sees links come and go by itself; this is for what happens before and without them
[ ! -d ${stateDirectory} ] || : >${stateDirectory}/${wakeName}

# before there is a port: rules that somebody took away come back, unless the policy leaves them, or the ports are closed
case $operation in
  prepare | start | started | port-created | reconnect)
    grep -q '^restore-drift: *false' ${stateDirectory}/confirmed/policy.yaml ||
      ${home}/bin/bridgekeeper-boot ${stateDirectory} ${closedFile} </dev/null
    ;;
esac

# libvirt writes the guest's XML, and nobody wants it
cat >/dev/null
exit 0
`;
}
