import { expect, test } from 'vitest';
import { defaultPullPolicy, parseImageReference, repositoryOf, withDefaultTag } from './reference.ts';

const HEX = 'a'.repeat(64);

test.each([
  ['nginx', 'docker.io/library/nginx', 'nginx:latest', 'Always'],
  ['nginx:1.27', 'docker.io/library/nginx', 'nginx:1.27', 'IfNotPresent'],
  ['team/app', 'docker.io/team/app', 'team/app:latest', 'Always'],
  ['docker.io/nginx', 'docker.io/library/nginx', 'docker.io/nginx:latest', 'Always'],
  ['index.docker.io/team/app:1', 'docker.io/team/app', 'index.docker.io/team/app:1', 'IfNotPresent'],
  ['localhost/app', 'localhost/app', 'localhost/app:latest', 'Always'],
  ['localhost:5000/app:latest', 'localhost:5000/app', 'localhost:5000/app:latest', 'Always'],
  ['127.0.0.1:5000/a/b/c:v1', '127.0.0.1:5000/a/b/c', '127.0.0.1:5000/a/b/c:v1', 'IfNotPresent'],
  ['[fd00::1]:5000/app:1', '[fd00::1]:5000/app', '[fd00::1]:5000/app:1', 'IfNotPresent'],
  ['Registry/app:1', 'Registry/app', 'Registry/app:1', 'IfNotPresent'],
  ['registry.k8s.io/pause:3.10.2', 'registry.k8s.io/pause', 'registry.k8s.io/pause:3.10.2', 'IfNotPresent'],
  [`nginx@sha256:${HEX}`, 'docker.io/library/nginx', `nginx@sha256:${HEX}`, 'IfNotPresent'],
  [`nginx:latest@sha256:${HEX}`, 'docker.io/library/nginx', `nginx:latest@sha256:${HEX}`, 'IfNotPresent'],
  ['a__b-c/e.f', 'docker.io/a__b-c/e.f', 'a__b-c/e.f:latest', 'Always'],
])('%s is in %s and is pulled as %s, %s', (image, repository, full, policy) => {
  const reference = parseImageReference(image);
  expect(repositoryOf(reference)).toBe(repository);
  expect(withDefaultTag(image, reference)).toBe(full);
  expect(defaultPullPolicy(reference)).toBe(policy);
});

test.each([
  ['', 'invalid reference format'],
  ['nginx:', 'invalid reference format'],
  ['nginx:-bad', 'invalid reference format'],
  ['/nginx', 'invalid reference format'],
  ['a//b', 'invalid reference format'],
  ['nginx latest', 'invalid reference format'],
  ['Nginx', 'repository name (library/Nginx) must be lowercase'],
  [HEX, 'cannot specify 64-byte hexadecimal strings'],
  [`x/${'y'.repeat(300)}`, 'repository name must not be more than 255 characters'],
  ['nginx@sha256:abc', 'invalid reference format'],
  [`nginx@sha256:${'a'.repeat(63)}`, 'invalid checksum digest length'],
  [`nginx@sha256:${'A'.repeat(64)}`, 'invalid checksum digest format'],
  [`nginx@md5:${'a'.repeat(32)}`, 'unsupported digest algorithm'],
])('%j is refused: %s', (image, message) => {
  expect(() => parseImageReference(image)).toThrow(`couldn't parse image name "${image}": `);
  expect(() => parseImageReference(image)).toThrow(message);
});
