import fc from 'fast-check';

// By default fast-check makes ten elements at most of what may have more, whatever length is asked for.
fc.configureGlobal({ defaultSizeToMaxWhenMaxSpecified: true });
