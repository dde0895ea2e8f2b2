/** Guesses how many tokens a text has, and learns from the counts that come back. */
export interface LengthEstimate {
  /** Estimated tokens, at least 1 and at most the model's limit. */
  of(text: string): number;
  /** Takes note of a text that had `tokens` tokens. */
  learn(text: string, tokens: number): void;
}

/** A word piece of English has about four characters. */
const FIRST_RATIO = 0.25;
/** Characters after which what was learned weighs half. */
const MEMORY = 20_000;

/** Makes an estimate by a running ratio of tokens to characters. */
export function createLengthEstimate(maxTokens: number): LengthEstimate {
  let characters = 1_000;
  let tokens = characters * FIRST_RATIO;
  return {
    of: (text) => Math.min(maxTokens, Math.max(1, Math.ceil((text.length * tokens) / characters))),
    learn: (text, count) => {
      characters += text.length;
      tokens += count;
      if (characters > MEMORY) {
        characters /= 2;
        tokens /= 2;
      }
    },
  };
}
