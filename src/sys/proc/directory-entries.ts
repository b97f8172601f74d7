// What getdents(2) gives of a directory: struct linux_dirent64 with d_reclen at 16 and d_name at 19.

/** Names that are numbers, such as those of processes. */
export function collectNumbers(entries: Buffer, numbers: number[]): void {
  for (let offset = 0; offset < entries.length; offset += entries.readUInt16LE(offset + 16)) {
    let number = 0;
    for (let at = offset + 19; entries[at] !== 0 && number >= 0; at++) {
      const digit = (entries[at] ?? 0) - 48;
      number = digit >= 0 && digit <= 9 ? number * 10 + digit : -1;
    }
    if (number > 0) numbers.push(number);
  }
}

/** All but the directory itself and the one above. */
export function collectNames(entries: Buffer, names: string[]): void {
  for (let offset = 0; offset < entries.length;) {
    const size = entries.readUInt16LE(offset + 16);
    const end = entries.indexOf(0, offset + 19);
    const name = entries.toString('latin1', offset + 19, end);
    if (name !== '.' && name !== '..') names.push(name);
    offset += size;
  }
}
