/** Dependencies point inward: schema, resolvers -> loaders -> src; only the composition root and the server look outward. */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'src-looks-inward',
      comment:
        'The domain knows no GraphQL types, resolvers or loaders; src/main.ts and src/server.ts put them together.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(main|server)\\.ts$' },
      to: { path: '^(schema|resolvers|loaders)/' },
    },
    {
      name: 'domain-knows-no-graphql',
      severity: 'error',
      from: { path: '^src/(catalogue|embedding|models|vectors|search|cache)/' },
      to: { path: 'node_modules/(graphql|type-graphql|@apollo)/' },
    },
    {
      name: 'loaders-look-inward',
      severity: 'error',
      from: { path: '^loaders/' },
      to: { path: '^(schema|resolvers)/|^src/(http|cli|main|server)' },
    },
    {
      name: 'resolvers-and-schema-know-no-server',
      severity: 'error',
      comment: 'schema/emit.ts is a tool: it writes the OpenAPI document beside the schema.',
      from: { path: '^(schema|resolvers)/', pathNot: '^schema/emit\\.ts$' },
      to: { path: '^src/(http|cli|main|server)' },
    },
    {
      name: 'domain-knows-no-edge',
      severity: 'error',
      from: { path: '^src/(catalogue|embedding|models|vectors|search|cache)/' },
      to: { path: '^src/(http|cli|main|server)' },
    },
    {
      name: 'no-tests-in-production',
      severity: 'error',
      from: { pathNot: '^test/' },
      to: { path: '^test/' },
    },
    {
      name: 'no-dev-packages-in-production',
      severity: 'error',
      from: { path: '^(schema|src|resolvers|loaders)/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['npm-peer'] },
    },
    { name: 'not-to-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
