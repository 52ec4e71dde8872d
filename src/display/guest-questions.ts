// The one question to a guest, as a fixed text for its POSIX sh: it reads and changes nothing, and nothing of a user, a
// host or another guest is in it but a mark of hexadecimal digits. Small guests have busybox only, so it keeps to that.
import { xorgFile } from './session-step.ts';

/** @param mark hexadecimal; prints sections that `readSections` takes apart */
export function guestQuestion(mark: string): string {
  const sections = Object.entries(questions).map(
    ([name, ask]) => `echo; echo "${mark} ${name}"\n{ ${ask}\n} 2>/dev/null`,
  );
  return `PATH=/usr/sbin:/usr/bin:/sbin:/bin\nexport LC_ALL=C\n${sections.join('\n')}\n`;
}

const drivers = 'qxl virtio-gpu bochs bochs-drm cirrus cirrus-qemu vmwgfx simpledrm';

/**
 * Sessions are looked for among processes: whose X or compositor runs, and by which display and authority it is spoken to.
 * Programs are started only for those that are one: on an emulated guest each costs more than all the reading.
 */
const sessions = `
set -f
newline='
'
# the user and the home of a number: user, home
account() {
  user= home=
  while IFS=: read -r name _ id _ _ place _; do
    [ "$id" != "$1" ] || { user=$name home=$place; return; }
  done </etc/passwd
}
# of a process's environment: display, authority, type, socket
variables() {
  display= authority= type= socket=
  all=$(tr '\\000' '\\n' <"/proc/$1/environ" | grep -E '^(DISPLAY|XAUTHORITY|XDG_SESSION_TYPE|WAYLAND_DISPLAY)=')
  IFS=$newline
  for one in $all; do
    case $one in
      DISPLAY=*) display=\${one#*=} ;;
      XAUTHORITY=*) authority=\${one#*=} ;;
      XDG_SESSION_TYPE=*) type=\${one#*=} ;;
      WAYLAND_DISPLAY=*) socket=\${one#*=} ;;
    esac
  done
  unset IFS
}
# of an X server's words: display, authority
server() {
  display=:0 authority= type= socket= last=
  all=$(tr '\\000' '\\n' <"/proc/$1/cmdline")
  IFS=$newline
  for one in $all; do
    case $last/$one in
      -auth/*) authority=$one ;;
      */:[0-9]*) display=$one ;;
    esac
    last=$one
  done
  unset IFS
}
# as the session's user, on its bus
own() {
  timeout 5 runuser -u "$user" -- env "XDG_RUNTIME_DIR=/run/user/$uid" "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$uid/bus" "$@"
}
mutter() {
  asked="$asked wayland-$uid "
  config=org.gnome.Mutter.DisplayConfig
  echo "> mutter $(own busctl --user --json=short call $config /org/gnome/Mutter/DisplayConfig $config GetCurrentState | tr -d '\\n')"
  [ -z "$(command -v gdctl)" ] || echo '> gdctl'
  file=$home/.config/monitors.xml
  if own test -e "$file"; then text=$(own base64 -w 0 "$file"); else text=-; fi
  echo "> monitors $file $text"
}
kwin() {
  asked="$asked wayland-$uid "
  echo "> kscreen $(own kscreen-doctor --json | tr -d '\\n')"
}
set +f
for directory in /proc/[0-9]*; do
  read -r name <"$directory/comm" || continue
  case $name in
    gnome-shell) desktop=gnome ;;
    kwin_x11|kwin_wayland|plasmashell) desktop=kde ;;
    xfce4-session|mate-session|lxsession|cinnamon-sessio|openbox|xterm|i3|fluxbox|icewm) desktop=other ;;
    sway|weston|labwc|wayfire) desktop=other ;;
    Xorg|X) desktop=server ;;
    *) continue ;;
  esac
  program=$name
  set -f
  if [ "$desktop" = server ]; then server "\${directory#/proc/}"; desktop=other; else variables "\${directory#/proc/}"; fi
  set +f
  uid=
  while read -r name id _; do [ "$name" != Uid: ] || { uid=$id; break; }; done <"$directory/status"
  account "$uid"
  kind=x11
  [ -z "$socket" ] && [ "$program" != kwin_wayland ] && [ "$type" != wayland ] || kind=wayland
  [ -n "$authority" ] || [ -z "$home" ] || authority=$home/.Xauthority
  [ -e "$authority" ] || authority=
  echo "$kind $desktop $user $uid \${display:--} \${authority:--}"
  case "$kind $desktop $asked" in
    *" wayland-$uid "*) ;;
    wayland\\ gnome*) mutter ;;
    wayland\\ kde*) kwin ;;
  esac
  case " $asked " in *" $kind$display "*) continue ;; esac
  asked="$asked $kind$display"
  [ "$kind" != x11 ] || [ -z "$display" ] ||
    timeout 5 env "DISPLAY=$display" \${authority:+"XAUTHORITY=$authority"} xrandr --current | sed 's/^/| /'
done`;

const questions: Readonly<Record<string, string>> = {
  release: 'read -r line </proc/sys/kernel/osrelease && echo "$line"',
  'boot-id': 'read -r line </proc/sys/kernel/random/boot_id && echo "$line"',
  'command-line': 'read -r line </proc/cmdline && echo "$line"',
  framebuffer: 'read -r line </sys/class/graphics/fb0/name && echo "$line"',
  'framebuffer-size': 'read -r line </sys/class/graphics/fb0/virtual_size && echo "$line"',
  connectors: `for c in /sys/class/drm/card*-*; do
  read -r line <"$c/status" || continue
  while read -r mode; do line="$line $mode"; done <"$c/modes"
  echo "\${c##*/} $line"
done`,
  drivers: `base=/lib/modules/$(uname -r)
for f in "$base"/kernel/drivers/gpu/drm/*/*.ko*; do
  f=\${f##*/}
  case ' ${drivers} ' in *" \${f%%.ko*} "*) echo "\${f%%.ko*}" ;; esac
done
for m in ${drivers.replaceAll('-', '_')}; do [ ! -d "/sys/module/$m" ] || echo "$m"; done
grep -oE '/(${drivers.replaceAll(' ', '|')})\\.ko' "$base/modules.builtin" | sed 's,/,,; s,\\.ko,,'`,
  'boot-loader': `if [ -e /boot/grub/grub.cfg ] || [ -e /boot/grub2/grub.cfg ]; then echo grub; fi
if [ -e /boot/efi/loader/loader.conf ] || [ -e /boot/loader/loader.conf ] || [ -e /efi/loader/loader.conf ]; then echo systemd-boot; fi
if grep -qs 'default/grub.d' "$(command -v grub-mkconfig)"; then echo drop-ins; fi`,
  'grub-files': `for f in /etc/default/grub /etc/default/grub.d/*.cfg; do
  [ -f "$f" ] && echo "$f $(base64 -w 0 "$f")"
done`,
  sessions,
  'xorg-file': `[ -f ${xorgFile} ] && base64 -w 0 ${xorgFile} && echo`,
  greeter: `for d in /var/lib/gdm3 /var/lib/gdm; do
  [ -d "$d" ] || continue
  f=$d/.config/monitors.xml
  if [ -e "$f" ]; then text=$(base64 -w 0 "$f"); else text=-; fi
  echo "$f $(stat -c %U "$d") $text"
done`,
  vdagent:
    'for c in /proc/[0-9]*/comm; do read -r n <"$c" || continue; case $n in spice-vdagent) echo runs; break ;; esac; done',
  console: 'read -r line </sys/class/tty/tty0/active && echo "$line"',
  gettys: `for d in /proc/[0-9]*; do
  read -r n <"$d/comm" || continue
  case $n in agetty|getty|mingetty|login) tr '\\000' '\\n' <"$d/cmdline" | grep -m 1 '^tty[0-9]*$' || ps -o tty= -p "\${d#/proc/}" ;; esac
done`,
};
