#!/bin/sh
# build-mini.sh CACHE: makes CACHE/mini-KERNEL with vmlinuz and initrd.img, a guest of 2 MB that loads the display drivers of
# Debian's own kernel, tells what it sees on its serial line, and waits; initrd-agent.img, the same with QEMU's guest agent; and
# vmlinux, the kernel as it is unpacked, which spares an emulated processor half of its work.
# Prints the folder. The cache saves time only.
set -eu
cache=$1
unpack=$(cd "$(dirname "$0")" && pwd)/unpack-kernel.sh
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

kernel=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-[0-9]/ { print $2; exit }')
# what this script makes of it may change too
place=$cache/mini-$kernel-$(cat "$0" "$unpack" | sha256sum | cut -c1-12)
if [ -f "$place/initrd.img" ]; then
  echo "$place"
  exit 0
fi

work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir download root initrd initrd/bin initrd/modules initrd/proc initrd/sys initrd/dev agent agent-root out
# apt's own download user may not write here
(cd download && apt-get -qq -o APT::Sandbox::User=root download "$kernel" busybox-static >&2)
for package in download/*.deb; do dpkg-deb -x "$package" root; done
(cd agent && apt-get -qq -o APT::Sandbox::User=root download qemu-guest-agent libc6 libglib2.0-0 libpcre2-8-0 libudev1 libnuma1 \
  liburing2 >&2)
for package in agent/*.deb; do dpkg-deb -x "$package" agent-root; done

version=$(ls root/lib/modules)
depmod -b root "$version" 2>/dev/null
cp root/bin/busybox initrd/bin/busybox
# put NAME MODULE...: the modules with what they need, in their order in the file NAME
put() {
  list=initrd/modules/$1
  shift
  for module; do
    modprobe -S "$version" -d root --show-depends "$module"
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r module; do
    [ ! -e "initrd/modules/${module##*/}" ] || continue
    cp "$module" initrd/modules/
    echo "/modules/${module##*/}" >>"$list"
    # also where modules lie, for who asks which there are
    link=initrd/${module#*root/}
    mkdir -p "${link%/*}"
    ln -s "/modules/${module##*/}" "$link"
  done
}
put early virtio_pci virtio_console
put order qxl virtio-gpu bochs

cat >initrd/init <<'INIT'
#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec >/dev/ttyS0 2>&1
stty -onlcr 2>/dev/null
while read -r module; do insmod "$module" 2>/dev/null; done </modules/early
# the host tells of its ports some time after the module is there
for turn in 1 2 3 4 5 6; do
  [ -x /agent/qemu-ga ] && [ ! -e /dev/vport0p1 ] && sleep 0.5
done
for port in /dev/vport*; do
  [ -e "$port" ] && [ -x /agent/qemu-ga ] || continue
  mkdir -p /var/run
  LD_LIBRARY_PATH=/agent /agent/ld-linux-x86-64.so.2 /agent/qemu-ga -d -m virtio-serial -p "$port"
  echo AGENT
done
sleep "$(sed -n 's/.*bridgekeeper.driver-after=\([0-9]*\).*/\1/p' /proc/cmdline)" 2>/dev/null
while read -r module; do insmod "$module" 2>/dev/null; done </modules/order
sleep 1
echo "fb0 $(cat /sys/class/graphics/fb0/name 2>/dev/null)"
for connector in /sys/class/drm/card*-*; do
  [ -d "$connector" ] || continue
  # after a hotplug the list is cut to what the console shows; asking again would end a forced state
  case " $(cat /proc/cmdline) " in *' video='*) ;; *) echo detect >"$connector/status" ;; esac
  echo "connector ${connector##*/} $(cat "$connector/status") $(tr '\n' ' ' <"$connector/modes")"
done
echo "tty $(stty -F /dev/tty1 size)"
echo READY
sleep 1000000
INIT
chmod 755 initrd/init

(cd initrd && find . | sort | ../root/bin/busybox cpio -o -H newc 2>/dev/null) | gzip -1 >out/initrd.img
mkdir -p with-agent/agent
cp agent-root/usr/sbin/qemu-ga with-agent/agent/
for library in ld-linux-x86-64.so.2 libc.so.6 libm.so.6 libglib-2.0.so.0 libgmodule-2.0.so.0 libpcre2-8.so.0 libudev.so.1 \
  libnuma.so.1 liburing.so.2; do
  cp -L "$(find agent-root -name "$library" | head -n 1)" with-agent/agent/
done
{ cat out/initrd.img; (cd with-agent && find . | sort | ../root/bin/busybox cpio -o -H newc 2>/dev/null) | gzip -1; } \
  >out/initrd-agent.img
cp root/boot/vmlinuz-* out/vmlinuz
"$unpack" out/vmlinuz >out/vmlinux
chmod 644 out/*
mv out "$place"
echo "$place"
