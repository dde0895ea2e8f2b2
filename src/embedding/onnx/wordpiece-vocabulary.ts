/** The part of a WordPiece model that tells words apart. */
export interface WordPieces {
  /** Id by piece; pieces that continue a word begin with `prefix`. */
  readonly pieces: readonly (readonly [piece: string, id: number])[];
  readonly prefix: string;
  /** Id of a word that the pieces don't make up. */
  readonly unknown: number;
  /** Code points of a word at most; a longer one is unknown. */
  readonly maxWord: number;
}

/** Appends to `ids` the ids of the word that the first `length` code units of `units` are, in `characters` code points. */
export type ReadWord = (units: Uint16Array, length: number, characters: number, ids: number[]) => void;

/** Fields of an edge: the node it leaves, the code unit it takes, the node it leads to, the id of the piece that ends there. */
const [UNIT, TO, ID, STRIDE] = [1, 2, 3, 4];
const NONE = -1;
/** Nodes where the first piece of a word begins, and the ones that continue it. */
const [FIRST, NEXT] = [0, 1];

/**
 * Makes the greedy longest-match of WordPiece (Wu et al. 2016, as in BERT) over a trie: one step a code unit, so that a word costs the same
 * whether it was seen before or not, and no text leaves anything behind. The trie's edges are one hash table in one typed array.
 */
export function createVocabulary({ pieces, prefix, unknown, maxWord }: WordPieces): ReadWord {
  const { edges, mask } = buildTrie(pieces, prefix);

  return (units, length, characters, ids) => {
    if (characters > maxWord) {
      ids.push(unknown);
      return;
    }
    const before = ids.length;
    let node = FIRST;
    for (let start = 0; start < length;) {
      let id = NONE;
      let end = start;
      for (let at = start; at < length; at++) {
        const unit = units[at] ?? 0;
        let edge = slotOf(node, unit, mask);
        while (edges[edge] !== node || edges[edge + UNIT] !== unit) {
          if (edges[edge] === NONE) break;
          edge = (edge + STRIDE) & mask;
        }
        if (edges[edge] === NONE) break;
        node = edges[edge + TO] ?? NONE;
        const found = edges[edge + ID] ?? NONE;
        if (found !== NONE) {
          id = found;
          end = at + 1;
        }
      }
      if (id === NONE) {
        ids.length = before;
        ids.push(unknown);
        return;
      }
      ids.push(id);
      start = end;
      node = NEXT;
    }
  };
}

/** Where an edge is looked for first. */
function slotOf(node: number, unit: number, mask: number): number {
  const hash = Math.imul(Math.imul(node, 0x9e3779b1) ^ unit, 0x85ebca6b);
  return ((hash ^ (hash >>> 15)) * STRIDE) & mask;
}

/** The edges of the trie, open addressing, at most half full. `mask` keeps an index within them, at the beginning of an edge. */
function buildTrie(pieces: WordPieces['pieces'], prefix: string): { edges: Int32Array; mask: number } {
  // Pieces share their beginnings: about three edges each.
  let edges = emptyEdges(STRIDE << Math.ceil(Math.log2(6 * pieces.length + 1)));
  let mask = edges.length - STRIDE;
  let nodes = 2;

  const find = (node: number, unit: number): number => {
    let edge = slotOf(node, unit, mask);
    while (edges[edge] !== NONE && (edges[edge] !== node || edges[edge + UNIT] !== unit))
      edge = (edge + STRIDE) & mask;
    return edge;
  };
  const grow = (): void => {
    const old = edges;
    edges = emptyEdges(old.length * 2);
    mask = edges.length - STRIDE;
    for (let edge = 0; edge < old.length; edge += STRIDE) {
      const node = old[edge] ?? NONE;
      if (node === NONE) continue;
      const to = find(node, old[edge + UNIT] ?? NONE);
      for (let field = 0; field < STRIDE; field++) edges[to + field] = old[edge + field] ?? NONE;
    }
  };
  const add = (root: number, piece: string, id: number): void => {
    let node = root;
    for (let at = 0; at < piece.length; at++) {
      const unit = piece.charCodeAt(at);
      const edge = find(node, unit);
      if (edges[edge] === NONE) {
        edges[edge] = node;
        edges[edge + UNIT] = unit;
        edges[edge + TO] = nodes++;
      }
      if (at === piece.length - 1) edges[edge + ID] = id;
      node = edges[edge + TO] ?? NONE;
      if (nodes * STRIDE * 2 > edges.length) grow();
    }
  };
  for (const [piece, id] of pieces) {
    add(FIRST, piece, id);
    if (piece.startsWith(prefix)) add(NEXT, piece.slice(prefix.length), id);
  }
  return { edges, mask };
}

function emptyEdges(length: number): Int32Array {
  return new Int32Array(length).fill(NONE);
}
