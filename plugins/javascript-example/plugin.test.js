// Without Wasm: `node --test`.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { identity } from './plugin.js';

const CONFIG = JSON.stringify({ environments: { production: 'prod' } });
const workload = {
  namespace: 'shop',
  serviceAccount: 'web',
  clusterName: 'blue',
  clusterLabels: [['environment', 'production']],
};

test('the environment comes first', () => {
  const { tag, val } = identity.derive(workload, CONFIG);
  assert.equal(tag, 'identities');
  assert.deepEqual(val[0].spiffeId, { tag: 'path', val: '/prod/shop/web' });
  assert.deepEqual(val[0].dnsNames, ['web.shop.prod']);
});

test('a cluster without the label is skipped, one of another environment denied', () => {
  assert.equal(identity.derive({ ...workload, clusterLabels: [] }, CONFIG).tag, 'skip');
  const other = [['environment', 'constructor']];
  assert.equal(identity.derive({ ...workload, clusterLabels: other }, CONFIG).tag, 'deny');
});

test('all that is wrong with a configuration is told', () => {
  const fields = (config) => {
    try {
      identity.validate(JSON.stringify(config));
      return [];
    } catch (problems) {
      return problems.map((problem) => problem.field);
    }
  };
  assert.deepEqual(fields({ environments: { production: 'prod' } }), []);
  assert.deepEqual(fields(7), ['']);
  assert.deepEqual(fields({}), ['environments']);
  assert.deepEqual(fields({ lable: 'a', environments: [] }), ['lable', 'environments']);
  assert.deepEqual(fields({ environments: { a: '', b: 'x/y', c: '..' } }), [
    'environments.a',
    'environments.b',
    'environments.c',
  ]);
  assert.throws(() => identity.validate('{'));
});
