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

/** Sessions are looked for among processes: whose X or compositor runs, and by which display and authority it is spoken to. */
const sessions = `
variable() { tr '\\000' '\\n' <"/proc/$1/environ" | sed -n "s/^$2=//p" | head -n 1; }
for directory in /proc/[0-9]*; do
  pid=\${directory#/proc/}
  read -r name <"$directory/comm" || continue
  case $name in
    gnome-shell) desktop=gnome ;;
    kwin_x11|kwin_wayland|plasmashell) desktop=kde ;;
    xfce4-session|mate-session|lxsession|cinnamon-sessio|openbox|xterm|i3|fluxbox|icewm) desktop=other ;;
    Xorg|X) desktop=server ;;
    sway|weston|labwc|wayfire) desktop=other ;;
    *) continue ;;
  esac
  uid=$(stat -c %u "$directory")
  user=$(awk -F: -v uid="$uid" '$3 == uid { print $1; exit }' /etc/passwd)
  display=$(variable "$pid" DISPLAY)
  authority=$(variable "$pid" XAUTHORITY)
  kind=x11
  [ -z "$(variable "$pid" WAYLAND_DISPLAY)" ] && [ "$name" != kwin_wayland ] || kind=wayland
  [ "$(variable "$pid" XDG_SESSION_TYPE)" != wayland ] || kind=wayland
  if [ "$desktop" = server ]; then
    desktop=other
    words=$(tr '\\000' '\\n' <"$directory/cmdline")
    display=$(echo "$words" | grep -m 1 '^:[0-9]*$')
    [ -n "$display" ] || display=:0
    authority=$(echo "$words" | sed -n '/^-auth$/ { n; p; }' | head -n 1)
  fi
  [ -n "$authority" ] || [ -z "$user" ] || authority=$(awk -F: -v uid="$uid" '$3 == uid { print $6; exit }' /etc/passwd)/.Xauthority
  [ -e "$authority" ] || authority=
  echo "$kind $desktop $user $uid \${display:--} \${authority:--}"
  case " $asked " in *" $kind$display "*) continue ;; esac
  asked="$asked $kind$display"
  [ "$kind" != x11 ] || [ -z "$display" ] ||
    timeout 5 env "DISPLAY=$display" \${authority:+"XAUTHORITY=$authority"} xrandr --current | sed 's/^/| /'
done`;

const questions: Readonly<Record<string, string>> = {
  release: 'uname -r',
  'command-line': 'cat /proc/cmdline',
  framebuffer: 'cat /sys/class/graphics/fb0/name',
  'framebuffer-size': 'cat /sys/class/graphics/fb0/virtual_size',
  connectors: `for c in /sys/class/drm/card*-*; do
  [ -e "$c/status" ] && echo "\${c##*/} $(cat "$c/status") $(tr '\\n' ' ' <"$c/modes")"
done`,
  bound:
    'for d in /sys/class/drm/card[0-9]*/device/driver; do [ -e "$d" ] && basename "$(readlink "$d")"; done | sort -u',
  drivers: `base=/lib/modules/$(uname -r)
for place in "$base/modules.dep" "$base/modules.builtin"; do
  sed -n 's/:.*//; /\\/drivers\\/gpu\\//s,.*/,,p' "$place" | sed 's/\\.ko.*//'
done | grep -xE '${drivers.replaceAll(' ', '|')}'
for m in ${drivers}; do [ -d "/sys/module/$(echo "$m" | tr - _)" ] && echo "$m"; done`,
  'boot-loader': `if [ -e /boot/grub/grub.cfg ] || [ -e /boot/grub2/grub.cfg ]; then echo grub; fi
if [ -e /boot/efi/loader/loader.conf ] || [ -e /boot/loader/loader.conf ] || [ -e /efi/loader/loader.conf ]; then echo systemd-boot; fi
if grep -qs 'default/grub.d' "$(command -v grub-mkconfig)"; then echo drop-ins; fi`,
  'grub-files': `for f in /etc/default/grub /etc/default/grub.d/*.cfg; do
  [ -f "$f" ] && echo "$f $(base64 <"$f" | tr -d '\\n')"
done`,
  sessions,
  'xorg-file': `[ -f ${xorgFile} ] && base64 <${xorgFile} | tr -d '\\n' && echo`,
  vdagent:
    'for c in /proc/[0-9]*/comm; do read -r n <"$c" || continue; case $n in spice-vdagent) echo runs; break ;; esac; done',
  console: 'cat /sys/class/tty/tty0/active',
  gettys: `for d in /proc/[0-9]*; do
  read -r n <"$d/comm" || continue
  case $n in agetty|getty|mingetty|login) tr '\\000' '\\n' <"$d/cmdline" | grep -m 1 '^tty[0-9]*$' || ps -o tty= -p "\${d#/proc/}" ;; esac
done | sort -u`,
};
