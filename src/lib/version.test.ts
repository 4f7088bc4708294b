import { expect, test } from 'vitest';
import { kubeletVersion, programVersion } from './version.ts';

test('the kubelet version carries the program’s version as build metadata', () => {
  expect(programVersion()).toMatch(/^\d+\.\d+\.\d+/);
  expect(kubeletVersion()).toBe(`v1.37.2+shorelet.${programVersion()}`);
});
