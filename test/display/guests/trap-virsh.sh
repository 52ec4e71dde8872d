#!/bin/sh
# In the place of virsh: the real one, and once, before or after a call with $TRAP in its words, the commands of $TRAP_DOES.
# The program that called it is $PPID.
spring() {
  case " $* " in *"$TRAP"*) mkdir /run/sprung 2>/dev/null || return 0 ;; *) return 0 ;; esac
  eval "$TRAP_DOES"
}
[ "$TRAP_WHEN" != before ] || spring "$@"
/usr/bin/virsh "$@"
code=$?
[ "$TRAP_WHEN" != after ] || spring "$@"
exit "$code"
