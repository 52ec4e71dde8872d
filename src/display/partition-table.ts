// The first sectors of a disk -> where its partitions are. The disk is a guest's and hostile: every number is checked against
// the disk's own length, chains have an end, and a table that lies gives fewer partitions, never others.
// Sources: UEFI 2.10 chapter 5 (GPT); the partition table of MS-DOS with its extended partitions, as Linux's block/partitions reads it

/** In bytes. */
export type Partition = { readonly start: number; readonly length: number };

/** Exactly so many bytes of the disk, or fewer at its end. */
export type ReadAt = (offset: number, length: number) => Promise<Buffer>;

const msDosSector = 512;
const sectorSizes = [512, 4096];
const mostPartitions = 128;
const mostExtended = 64;

/** In the table's order. A disk without a table is one partition. @param length of the disk in bytes */
export async function partitionsOf(read: ReadAt, length: number): Promise<readonly Partition[]> {
  const first = await read(0, msDosSector);
  if (first.length < msDosSector || first.readUInt16LE(510) !== 0xaa55) return [{ start: 0, length }];
  const entries = msDosEntries(first);
  // a boot sector of a file system ends in the same two bytes; what stands there for partitions is no table then
  if (entries.some(({ status }) => status !== 0 && status !== 0x80)) return [{ start: 0, length }];
  const found = entries.some(({ type }) => type === gptProtective)
    ? await gptPartitions(read)
    : await msDosPartitions(read, entries);
  const inside = found.filter((one) => isInside(one, length)).slice(0, mostPartitions);
  return inside.length > 0 ? inside : [{ start: 0, length }];
}

function isInside({ start, length }: Partition, disk: number): boolean {
  return start > 0 && length > 0 && Number.isSafeInteger(start + length) && start + length <= disk;
}

const gptProtective = 0xee;
const extendedTypes = new Set([0x05, 0x0f, 0x85]);

type MsDosEntry = { readonly status: number; readonly type: number; readonly first: number; readonly sectors: number };

function msDosEntries(sector: Buffer): readonly MsDosEntry[] {
  return [446, 462, 478, 494].map((at) => ({
    status: sector.readUInt8(at),
    type: sector.readUInt8(at + 4),
    first: sector.readUInt32LE(at + 8),
    sectors: sector.readUInt32LE(at + 12),
  }));
}

async function msDosPartitions(read: ReadAt, entries: readonly MsDosEntry[]): Promise<readonly Partition[]> {
  const partitions: Partition[] = [];
  for (const entry of entries) {
    if (extendedTypes.has(entry.type)) partitions.push(...(await logicalPartitions(read, entry.first)));
    else if (entry.type !== 0) partitions.push(placed(entry, 0));
  }
  return partitions;
}

/** A chain of tables: the first entry is a partition, the second one leads to the next table, counted from the first. */
async function logicalPartitions(read: ReadAt, base: number): Promise<readonly Partition[]> {
  const partitions: Partition[] = [];
  let table = base;
  for (let turn = 0; turn < mostExtended; turn++) {
    const sector = await read(table * msDosSector, msDosSector);
    if (sector.length < msDosSector || sector.readUInt16LE(510) !== 0xaa55) break;
    const [entry, next] = msDosEntries(sector);
    if (entry !== undefined && entry.type !== 0 && !extendedTypes.has(entry.type))
      partitions.push(placed(entry, table));
    if (next === undefined || !extendedTypes.has(next.type) || next.first === 0) break;
    table = base + next.first;
  }
  return partitions;
}

function placed({ first, sectors }: MsDosEntry, table: number): Partition {
  return { start: (table + first) * msDosSector, length: sectors * msDosSector };
}

async function gptPartitions(read: ReadAt): Promise<readonly Partition[]> {
  for (const sector of sectorSizes) {
    const header = await read(sector, 92);
    if (header.length === 92 && header.toString('latin1', 0, 8) === 'EFI PART') return gptEntries(read, header, sector);
  }
  return [];
}

async function gptEntries(read: ReadAt, header: Buffer, sector: number): Promise<readonly Partition[]> {
  const place = numberAt(header, 72);
  const count = Math.min(header.readUInt32LE(80), mostPartitions);
  const size = header.readUInt32LE(84);
  if (place === undefined || size < 128 || size > 4096) return [];
  const table = await read(place * sector, count * size);
  const partitions: Partition[] = [];
  for (let at = 0; at + size <= table.length; at += size) {
    const [first, last] = [numberAt(table, at + 32), numberAt(table, at + 40)];
    const isUsed = table.subarray(at, at + 16).some((octet) => octet !== 0);
    if (isUsed && first !== undefined && last !== undefined && last >= first)
      partitions.push({ start: first * sector, length: (last - first + 1) * sector });
  }
  return partitions;
}

/** undefined for what no disk has as many sectors as. */
function numberAt(buffer: Buffer, at: number): number | undefined {
  const value = buffer.readBigUInt64LE(at);
  return value < 2n ** 40n ? Number(value) : undefined;
}

export type FileSystem = 'ext' | 'xfs' | 'btrfs' | 'luks' | 'lvm' | 'fat' | 'qcow2' | 'unknown';

/** By the marks that each has at its place. @param read from the beginning of a partition, or of a whole file */
export async function fileSystemOf(read: ReadAt): Promise<FileSystem> {
  const head = await read(0, 4096);
  const at = (offset: number, mark: string) => head.toString('latin1', offset, offset + mark.length) === mark;
  if (at(0, 'QFI\xfb')) return 'qcow2';
  if (at(0, 'LUKS\xba\xbe')) return 'luks';
  if (at(0, 'XFSB')) return 'xfs';
  if (at(512, 'LABELONE')) return 'lvm';
  if (head.length >= 1082 && head.readUInt16LE(1080) === 0xef53) return 'ext';
  if (at(54, 'FAT') || at(82, 'FAT32')) return 'fat';
  const farther = await read(0x10040, 8);
  return farther.toString('latin1') === '_BHRfS_M' ? 'btrfs' : 'unknown';
}
