#!/bin/sh
# unpack-kernel.sh VMLINUZ: prints the kernel as it is unpacked, which spares an emulated processor half of its work.
set -eu
# Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length; behind the payload is its size
field() { od -An -t "u$2" -j "$1" -N "$2" "$kernel" | tr -d ' '; }
kernel=$1
tail -c "+$((($(field 497 1) + 1) * 512 + $(field 584 4) + 1))" "$kernel" | head -c "$(field 588 4)" | xz -dc --single-stream
