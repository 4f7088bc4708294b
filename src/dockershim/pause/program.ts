/**
 * The pause program of Shorelet's own sandbox image: a static ELF executable of some 200 bytes that does what the first process
 * of a pod must do. It ignores SIGCHLD, so that orphans it inherits (shareProcessNamespace) are reaped by the kernel, waits for
 * SIGTERM or SIGINT, and exits with 0. Written in machine code because the package is built on machines without a compiler, and
 * no binary is kept in the repository.
 */

export type PauseArchitecture = 'x64' | 'arm64';

/** Where the file is loaded; any page-aligned address below the stack does. */
const LOAD_ADDRESS = 0x400000n;
const ELF_HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;

/** `e_machine` of the ELF header. */
const MACHINE: Record<PauseArchitecture, number> = { x64: 62, arm64: 183 };

/** Each line is one group of instructions, in the order they run. */
const CODE_X64 = [
  '6a00 6a00 6a00 6a01', // struct sigaction { SIG_IGN, 0, 0, 0 } on the stack
  'bf11000000 4889e6 31d2 41ba08000000 b80d000000 0f05', // rt_sigaction(SIGCHLD, sp, 0, 8)
  '6802400000', // the set { SIGINT, SIGTERM }
  '31ff 4889e6 31d2 b80e000000 0f05', // rt_sigprocmask(SIG_BLOCK, sp, 0, 8)
  '4889e7 31f6 31d2 b880000000 0f05', // rt_sigtimedwait(sp, 0, 0, 8)
  '85c0 78ee', // interrupted: wait again
  '31ff b8e7000000 0f05', // exit_group(0)
];

/** Instruction words; the same steps with arm64's system call numbers. */
const CODE_ARM64 = [
  'd2800021 a9be7fe1 a9017fff',
  'd2800220 910003e1 d2800002 d2800103 d28010c8 d4000001',
  'd2880041 f81f0fe1',
  'd2800000 910003e1 d2800002 d2800103 d28010e8 d4000001',
  '910003e0 d2800001 d2800002 d2800103 d2801128 d4000001',
  '37ffff40',
  'd2800000 d2800bc8 d4000001',
];

/** The executable file for one architecture. */
export function pauseProgram(architecture: PauseArchitecture): Uint8Array {
  const code = architecture === 'x64' ? bytesOf(CODE_X64) : littleEndianWords(CODE_ARM64);
  const start = ELF_HEADER_BYTES + PROGRAM_HEADER_BYTES;
  const size = start + code.length;
  const file = Buffer.alloc(size);
  writeElfHeader(file, MACHINE[architecture], LOAD_ADDRESS + BigInt(start));
  writeLoadSegment(file, BigInt(size));
  file.set(code, start);
  return file;
}

function writeElfHeader(file: Buffer, machine: number, entry: bigint): void {
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]); // 64-bit, little-endian, System V
  file.writeUInt16LE(2, 16); // ET_EXEC
  file.writeUInt16LE(machine, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(entry, 24);
  file.writeBigUInt64LE(BigInt(ELF_HEADER_BYTES), 32); // program headers follow at once
  file.writeUInt16LE(ELF_HEADER_BYTES, 52);
  file.writeUInt16LE(PROGRAM_HEADER_BYTES, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt16LE(64, 58);
}

/** One segment: the whole file, readable and executable. */
function writeLoadSegment(file: Buffer, size: bigint): void {
  const at = ELF_HEADER_BYTES;
  file.writeUInt32LE(1, at); // PT_LOAD
  file.writeUInt32LE(5, at + 4); // PF_R | PF_X
  file.writeBigUInt64LE(LOAD_ADDRESS, at + 16);
  file.writeBigUInt64LE(LOAD_ADDRESS, at + 24);
  file.writeBigUInt64LE(size, at + 32);
  file.writeBigUInt64LE(size, at + 40);
  file.writeBigUInt64LE(0x10000n, at + 48); // arm64 kernels may use pages of 64 KiB
}

function bytesOf(lines: readonly string[]): Buffer {
  return Buffer.from(lines.join('').replaceAll(' ', ''), 'hex');
}

function littleEndianWords(lines: readonly string[]): Buffer {
  const words = lines.flatMap((line) => line.split(' ')).map((word) => Number.parseInt(word, 16));
  const bytes = Buffer.alloc(words.length * 4);
  words.forEach((word, index) => bytes.writeUInt32LE(word, index * 4));
  return bytes;
}
