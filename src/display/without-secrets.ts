// What is shown of a definition: passwords of graphics are in it, since it goes back to libvirt, and are nobody's to read.

/** @param text of a definition, or a part of it */
export function withoutSecrets(text: string): string {
  return text.replace(/(\spasswd\s*=\s*)("[^"]*"|'[^']*')/g, (_all, name: string, value: string) => {
    const quote = value.charAt(0);
    return `${name}${quote}***${quote}`;
  });
}
