/** For options that may be repeated: commander calls it for each occurrence. */
export function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}
