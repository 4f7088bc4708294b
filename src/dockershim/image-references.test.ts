import { expect, test } from 'vitest';
import type { EngineImage } from './engine.ts';
import { checkReference, contentReference, isImageOf, normalize } from './image-references.ts';

const D = `sha256:${'d'.repeat(64)}`;
const E = `sha256:${'e'.repeat(64)}`;
const ID = `sha256:${'1'.repeat(64)}`;

function image(repoTags: string[], repoDigests: string[] = []): EngineImage {
  return { id: ID, repoTags, repoDigests, size: 1, user: '' };
}

test.each([
  ['nginx', 'docker.io/library/nginx:latest'],
  ['nginx:1.27', 'docker.io/library/nginx:1.27'],
  ['bitnami/nginx', 'docker.io/bitnami/nginx:latest'],
  ['docker.io/nginx', 'docker.io/library/nginx:latest'],
  ['index.docker.io/nginx', 'docker.io/library/nginx:latest'],
  ['docker.io/library/nginx:1', 'docker.io/library/nginx:1'],
  ['localhost/x', 'localhost/x:latest'],
  ['127.0.0.1:5000/x', '127.0.0.1:5000/x:latest'],
  ['127.0.0.1:5000/a/b:v1', '127.0.0.1:5000/a/b:v1'],
  [`nginx:1@${D}`, `docker.io/library/nginx@${D}`],
])('%s is short for %s', (short, full) => {
  expect(normalize(short)).toBe(full);
});

test('an image is what its tags, its digests and its id say', () => {
  const nginx = image(['nginx:1.27'], [`nginx@${D}`]);
  for (const reference of ['nginx:1.27', 'docker.io/library/nginx:1.27', `nginx@${D}`, `nginx:other@${D}`, ID, ID.slice(7)]) {
    expect(isImageOf(reference, nginx), reference).toBe(true);
  }
  for (const reference of ['nginx', 'nginx:1.2', `nginx@${E}`, 'other.io/nginx:1.27', '1'.repeat(12), E]) {
    expect(isImageOf(reference, nginx), reference).toBe(false);
  }
});

test('content is named by the digest of the repository that was asked for, else any, else the id', () => {
  const both = image(['a.io/x:1', 'b.io/x:1'], [`a.io/x@${D}`, `b.io/x@${E}`]);
  expect(contentReference(both, 'b.io/x:1')).toBe(`b.io/x@${E}`);
  expect(contentReference(both, `b.io/x@${D}`)).toBe(`b.io/x@${E}`);
  expect(contentReference(both, 'c.io/x:1')).toBe(`a.io/x@${D}`);
  expect(contentReference(image(['local:1']), 'local:1')).toBe(ID);
  expect(contentReference(image([], [`nginx@${D}`]), 'docker.io/library/nginx:1')).toBe(`nginx@${D}`);
});

test.each(['', ' x', 'a b', '-x', 'a//b', '../a', 'a?b', 'a%2f', 'a\n'])('%j is no reference', (text) => {
  expect(() => checkReference(text)).toThrow('not a valid image reference');
});
