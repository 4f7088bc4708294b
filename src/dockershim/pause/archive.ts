import { pauseProgram, type PauseArchitecture } from './program.ts';

const BLOCK = 512;

/** A tar archive (POSIX ustar) with the one file `/pause`: the whole root file system of the agent's own sandbox image. */
export function pauseArchive(architecture: PauseArchitecture): Buffer {
  const program = pauseProgram(architecture);
  const header = Buffer.alloc(BLOCK);
  const field = (text: string, offset: number): void => void header.write(text, offset, 'latin1');
  field('pause', 0);
  field('0000755\0', 100); // mode
  field('0000000\0', 108); // uid
  field('0000000\0', 116); // gid
  field(`${program.length.toString(8).padStart(11, '0')}\0`, 124);
  field('00000000000\0', 136); // modified: the same bytes give the same image
  field('        ', 148); // the checksum counts as spaces
  field('0', 156); // a regular file
  field('ustar\x0000', 257);
  field(`${checksum(header).toString(8).padStart(6, '0')}\0 `, 148);
  const content = Buffer.alloc(Math.ceil(program.length / BLOCK) * BLOCK);
  content.set(program);
  return Buffer.concat([header, content, Buffer.alloc(2 * BLOCK)]);
}

function checksum(header: Buffer): number {
  return header.reduce((sum, byte) => sum + byte, 0);
}
