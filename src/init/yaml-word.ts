// A name as YAML takes for a text, whatever it looks like.

const plain = /^[A-Za-z_][A-Za-z0-9_.-]*$/;
const meaningful = /^(?:true|false|yes|no|on|off|y|n|null|[+-]?\.?(?:inf|nan))$/i;

/** Names have no character that quotes would not hold. */
export function yamlWord(name: string): string {
  return plain.test(name) && !meaningful.test(name) ? name : JSON.stringify(name);
}
