#!/bin/sh
# build-grub-disk.sh FOLDER GFXMODE FIRMWARE: makes FOLDER/disk.img for bios, 2 MB with GRUB and nothing to boot, or FOLDER/esp
# for uefi. GRUB switches to the mode, tells on its serial line which modes the firmware offers, and waits.
set -eu
folder=$1
mode=$2
firmware=$3
common='serial terminal echo sleep video video_fb all_video gfxterm videoinfo normal font'
cat >"$folder/early.cfg" <<CFG
serial --unit=0
terminal_output serial
insmod all_video
set gfxmode=$mode
insmod gfxterm
terminal_output serial gfxterm
videoinfo
echo READY
sleep 600
CFG
if [ "$firmware" = uefi ]; then
  mkdir -p "$folder/esp/EFI/BOOT"
  # shellcheck disable=SC2086 # several modules
  grub-mkimage -O x86_64-efi -p '(memdisk)/' -c "$folder/early.cfg" -o "$folder/esp/EFI/BOOT/BOOTX64.EFI" efi_gop $common
  exit
fi
# shellcheck disable=SC2086 # several modules
grub-mkimage -O i386-pc -p '(memdisk)/' -c "$folder/early.cfg" -o "$folder/core.img" biosdisk vbe vga $common
truncate -s 2M "$folder/disk.img"
dd if=/usr/lib/grub/i386-pc/boot.img of="$folder/disk.img" bs=440 count=1 conv=notrunc status=none
dd if="$folder/core.img" of="$folder/disk.img" bs=512 seek=1 conv=notrunc status=none
printf '\125\252' | dd of="$folder/disk.img" bs=1 seek=510 conv=notrunc status=none
