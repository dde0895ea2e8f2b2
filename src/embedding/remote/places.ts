/** A bounded number of things at once. */
export interface Places {
  /** Waits for a place; what it resolves to gives it back. */
  acquire(): Promise<() => void>;
  /** Rejects whoever waits. */
  refuse(error: Error): void;
}

interface Waiter {
  resolve(release: () => void): void;
  reject(error: Error): void;
}

/** Makes `size` places, given out in the order of asking. */
export function createPlaces(size: number): Places {
  const waiting: Waiter[] = [];
  let free = size;
  const grant = (): (() => void) => {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const next = waiting.shift();
      if (next) next.resolve(grant());
      else free += 1;
    };
  };
  return {
    acquire: () => {
      if (free > 0) {
        free -= 1;
        return Promise.resolve(grant());
      }
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    refuse: (error) => {
      for (const waiter of waiting.splice(0)) waiter.reject(error);
    },
  };
}
