#!/bin/sh
# build-grub-disk.sh FOLDER GFXMODE: makes FOLDER/disk.img, 2 MB with GRUB and nothing to boot. It switches to the mode, tells
# on its serial line which modes the firmware offers, and waits.
set -eu
folder=$1
mode=$2
grub=/usr/lib/grub/i386-pc
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
grub-mkimage -O i386-pc -p '(memdisk)/' -c "$folder/early.cfg" -o "$folder/core.img" \
  biosdisk serial terminal echo sleep video video_fb vbe vga all_video gfxterm videoinfo normal font
truncate -s 2M "$folder/disk.img"
dd if="$grub/boot.img" of="$folder/disk.img" bs=440 count=1 conv=notrunc status=none
dd if="$folder/core.img" of="$folder/disk.img" bs=512 seek=1 conv=notrunc status=none
printf '\125\252' | dd of="$folder/disk.img" bs=1 seek=510 conv=notrunc status=none
