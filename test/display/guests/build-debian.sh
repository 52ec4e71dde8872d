#!/bin/sh
# build-debian.sh CACHE: makes CACHE/debian-KEY/disk.img, a whole Debian of this machine's release: as a guest whose displays
# are looked at, with GRUB as Debian sets it up, the guest agent, X with one client of a user's; as a host of guests, with what
# it takes to filter bridges and to log in. Beside it are its vmlinux, unpacked, and initrd.img, to start it without GRUB. Prints
# the folder. Needs root, for debootstrap; no loop device and no mount of the image. The cache saves time only.
set -eu
cache=$1
unpack=$(cd "$(dirname "$0")" && pwd)/unpack-kernel.sh
packages=systemd-sysv,udev,kmod,dbus,grub-pc,qemu-guest-agent,initramfs-tools,linux-image-amd64,procps,zstd
packages=$packages,xserver-xorg-core,xserver-xorg-input-libinput,xserver-xorg-video-qxl,x11-xserver-utils,xterm
packages=$packages,nftables,iptables,conntrack,iproute2,iputils-ping,python3,ifupdown,bridge-utils,libpam-systemd,openssh-server

mkdir -p "$cache/packages"
cache=$(cd "$cache" && pwd)
exec 9>"$cache/debian-lock"
flock 9

# what this script makes of the packages may change too, and the packages do every day
place=$cache/debian-$(date -u +%F)-$(cat "$0" "$unpack" | sha256sum | cut -c1-12)
if [ -f "$place/disk.img" ]; then
  echo "$place"
  exit 0
fi
rm -rf "$cache"/debian-2*

work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

# the mirror that this machine uses itself; without an answer it is debootstrap's own
codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $codename" 'Label: Debian' | head -n 1)
# an initrd is made below, with what this guest needs
INITRD=No debootstrap --variant=minbase --cache-dir="$cache/packages" --include="$packages" "$codename" root ${mirror:+"$mirror"} >debootstrap.log 2>&1 || {
  tail -n 20 debootstrap.log >&2
  exit 1
}

uuid=$(cat /proc/sys/kernel/random/uuid)
echo "UUID=$uuid / ext4 defaults 0 1" >root/etc/fstab
echo debian >root/etc/hostname
rm -rf root/var/cache/apt/* root/var/lib/apt/lists/* root/usr/share/doc root/usr/share/man root/usr/share/locale
for unneeded in sound drivers/media drivers/net/ethernet drivers/net/wireless drivers/net/usb drivers/infiniband \
  drivers/gpu/drm/amd drivers/gpu/drm/i915 drivers/gpu/drm/nouveau drivers/gpu/drm/radeon drivers/staging drivers/iio \
  net/wireless fs/xfs fs/btrfs fs/ocfs2; do
  rm -rf root/lib/modules/*/kernel/"$unneeded"
done
version=$(ls root/lib/modules)
depmod -b root "$version" 2>/dev/null

# nothing that is none of the guest's business during a test
for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer dpkg-db-backup.timer fstrim.timer \
  e2scrub_reap.service systemd-timesyncd.service grub-common.service ssh.service; do
  ln -sf /dev/null "root/etc/systemd/system/$unit"
done

# a session: X as a display manager starts it, with an authority of its own, and one client as the user
chroot root useradd --uid 1000 --create-home --shell /bin/bash desk
cat >root/usr/local/sbin/start-x <<'X'
#!/bin/sh
# a display manager waits for the card too
until [ -e /dev/dri/card0 ] || [ "$((n += 1))" -gt 240 ]; do sleep 0.5; done
umask 077
mkdir -p /run/desk
{ printf '\377\377\0\0\0\0\0\022MIT-MAGIC-COOKIE-1\0\020'; head -c 16 /dev/urandom; } >/run/desk/authority
chown -R desk: /run/desk
exec /usr/bin/Xorg :0 vt7 -auth /run/desk/authority -nolisten tcp -s 0 -dpms
X
chmod 755 root/usr/local/sbin/start-x
cat >root/etc/systemd/system/x.service <<'UNIT'
[Service]
ExecStart=/usr/local/sbin/start-x
UNIT
cat >root/etc/systemd/system/desk.service <<'UNIT'
[Unit]
Requires=x.service
After=x.service
[Service]
User=desk
Environment=DISPLAY=:0 XAUTHORITY=/run/desk/authority
ExecStartPre=/bin/sh -c 'until xset q >/dev/null 2>&1; do sleep 1; done'
ExecStart=/usr/bin/xterm -cu
TimeoutStartSec=300
[Install]
WantedBy=multi-user.target
UNIT

echo 'MODULES=list' >root/etc/initramfs-tools/conf.d/modules
printf '%s\n' virtio_pci virtio_blk virtio_console ext4 >>root/etc/initramfs-tools/modules
echo 'COMPRESS=gzip' >root/etc/initramfs-tools/conf.d/compress
chroot root update-initramfs -c -k "$version" >initramfs.log 2>&1 || { cat initramfs.log >&2; exit 1; }

# GRUB is put onto the disk as Debian does it, by its own programs in the guest, which then ends
cat >root/sbin/first-start <<'FIRST'
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc 2>/dev/null
mount -t sysfs sys /sys 2>/dev/null
mount -o remount,rw /
{ grub-install /dev/vda && update-grub && echo installed; } >/dev/ttyS0 2>&1
rm -f /sbin/first-start
sync
mount -o remount,ro /
echo o >/proc/sysrq-trigger
sleep 60
FIRST
chmod 755 root/sbin/first-start
cp root/boot/vmlinuz-* vmlinuz
cp root/boot/initrd.img-* initrd.img

truncate -s 1500M disk.img
printf 'label: dos\nstart=2048, type=83, bootable\n' | sfdisk -q disk.img
mkfs.ext4 -q -F -L root -U "$uuid" -E offset=1048576,lazy_itable_init=1 -d root disk.img $((1499 * 1024))k

timeout 600 qemu-system-x86_64 -machine pc,accel=tcg -cpu Westmere -m 512 -nodefaults -display none -no-reboot \
  -drive file=disk.img,if=virtio,format=raw,cache=unsafe -kernel vmlinuz -initrd initrd.img \
  -append "root=UUID=$uuid rw console=ttyS0 quiet mitigations=off panic=-1 init=/sbin/first-start" -serial file:first.log
if ! grep -q '^installed' first.log; then
  tail -n 40 first.log >&2
  exit 1
fi

mkdir out
"$unpack" vmlinuz >out/vmlinux
mv disk.img initrd.img out/
mv out "$place"
echo "$place"
