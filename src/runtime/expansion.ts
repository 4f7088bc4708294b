/**
 * `$(VAR)` references in commands, arguments, values and sub-paths, with the semantics of upstream
 * third_party/forked/golang/expansion: `$$` is a literal `$`, what is not a reference stays as it is.
 */

/** Replaces every reference by what `lookup` answers; `undefined` leaves the reference as it is written. */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  let result = '';
  let position = 0;
  while (position < text.length) {
    const dollar = text.indexOf('$', position);
    if (dollar === -1 || dollar === text.length - 1) break;
    result += text.slice(position, dollar);
    const next = text[dollar + 1];
    const close = next === '(' ? text.indexOf(')', dollar + 2) : -1;
    if (close !== -1) {
      const name = text.slice(dollar + 2, close);
      result += lookup(name) ?? `$(${name})`;
      position = close + 1;
    } else if (next === '$') {
      result += '$';
      position = dollar + 2;
    } else {
      // An operator that opens nothing is consumed together with the character behind it.
      const length = 1 + ((text.codePointAt(dollar + 1) ?? 0) > 0xffff ? 2 : 1);
      result += text.slice(dollar, dollar + length);
      position = dollar + length;
    }
  }
  return result + text.slice(position);
}

/** A lookup in several maps, the first that has the name wins. */
export function lookupIn(...maps: readonly ReadonlyMap<string, string>[]): (name: string) => string | undefined {
  return (name) => maps.find((map) => map.has(name))?.get(name);
}
