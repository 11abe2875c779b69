// An environment's name in front of namespace and service account: which environment a cluster is of is told by one of its
// labels, and what that is called in SPIFFE IDs by the configuration.
//
//     {"label": "environment", "environments": {"production": "prod", "staging": "staging"}}

const FIELDS = { label: 'string', environments: 'object' };

/** All that is wrong with a configuration, as the interface's list of problems. */
function problemsOf(config) {
  if (config === null || typeof config !== 'object' || Array.isArray(config)) {
    return [{ field: '', message: 'must be an object such as {"environments": {"production": "prod"}}' }];
  }
  const problems = [];
  for (const [field, value] of Object.entries(config)) {
    if (!(field in FIELDS)) {
      problems.push({ field, message: `is unknown, must be one of ${Object.keys(FIELDS).join(', ')}` });
    } else if (typeof value !== FIELDS[field] || value === null || Array.isArray(value)) {
      problems.push({ field, message: `must be of type ${FIELDS[field]}` });
    }
  }
  if (problems.length > 0) return problems;
  const environments = Object.entries(config.environments ?? {});
  if (environments.length === 0) {
    problems.push({ field: 'environments', message: 'must name an environment or more: others are denied' });
  }
  for (const [name, segment] of environments) {
    if (typeof segment !== 'string' || !/^[a-zA-Z0-9_-][a-zA-Z0-9._-]*$/.test(segment)) {
      const message = 'must be a segment of a SPIFFE ID: letters, digits, dots, hyphens and underscores';
      problems.push({ field: `environments.${name}`, message });
    }
  }
  return problems;
}

/** JSON text as a configuration; what is thrown becomes the error of the call. */
function read(text) {
  let config;
  try {
    config = JSON.parse(text);
  } catch (error) {
    throw [{ field: '', message: `is not JSON: ${error.message}` }];
  }
  const problems = problemsOf(config);
  if (problems.length > 0) throw problems;
  return { label: config.label ?? 'environment', environments: new Map(Object.entries(config.environments)) };
}

export const identity = {
  describe() {
    return {
      name: 'javascript-example',
      version: '0.1.0',
      reads: { namespace: true, serviceAccount: true, clusterName: true, clusterLabels: true },
    };
  },

  validate(text) {
    read(text);
  },

  derive(workload, text) {
    const { label, environments } = read(text);
    const environment = new Map(workload.clusterLabels).get(label);
    if (environment === undefined) {
      return { tag: 'skip', val: `cluster ${workload.clusterName} has no label ${label}` };
    }
    const segment = environments.get(environment);
    if (segment === undefined) {
      return { tag: 'deny', val: `config.environments does not name ${environment}, cluster ${workload.clusterName}'s` };
    }
    const { namespace, serviceAccount } = workload;
    return {
      tag: 'identities',
      val: [
        {
          spiffeId: { tag: 'path', val: `/${segment}/${namespace}/${serviceAccount}` },
          parentId: undefined,
          selectors: [{ type: 'k8s', value: `sa:${serviceAccount}` }],
          dnsNames: [`${serviceAccount}.${namespace}.${segment}`],
          hint: segment,
        },
      ],
    };
  },
};
