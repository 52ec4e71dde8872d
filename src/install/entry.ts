// What an installation consists of, as data: files with their bytes and links, by the paths that they have in the end.

export type FileEntry = {
  readonly kind: 'file';
  /** Absolute, as on the machine that it is for: without `--root`. */
  readonly path: string;
  readonly mode: number;
  readonly bytes: Uint8Array;
};

export type LinkEntry = { readonly kind: 'link'; readonly path: string; readonly target: string };

export type Entry = FileEntry | LinkEntry;

export function textFile(path: string, text: string, mode = 0o644): FileEntry {
  return { kind: 'file', path, mode, bytes: Buffer.from(text) };
}
